//! Classic BPF for listening sockets: which socket of a group takes a new connection, and refusing new ones.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

/// A classic BPF program: one instruction is `code`, jump if true, jump if false, operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter(Vec<Instruction>);

type Instruction = (u16, u8, u8, u32);

// The instruction set of linux/filter.h and linux/bpf_common.h.
const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
const MODULO: u16 = 0x94; // BPF_ALU | BPF_MOD | BPF_K
const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
const JUMP_IF_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN_CONSTANT: u16 = 0x06; // BPF_RET | BPF_K
const RETURN_ACCUMULATOR: u16 = 0x16; // BPF_RET | BPF_A

/// The ancillary load that gives a random word: `SKF_AD_OFF` + `SKF_AD_RANDOM`.
const RANDOM: u32 = (-0x1000i32 + 56) as u32;
/// Where the flags are in a TCP header, and those of a first packet: SYN without ACK.
const TCP_FLAGS: u32 = 13;
const SYN_AND_ACK: u32 = 0x12;
const SYN: u32 = 0x02;

impl Filter {
    /// Chooses at random among some of a group's sockets, by their index.
    ///
    /// The draw is over `0..n` for `n` indices. Those that are in the list stand for themselves; for each
    /// one that is not, a listed index beyond `n` stands in, so the program grows with the exceptions only.
    pub(crate) fn choose_among(indices: &[u32]) -> Option<Self> {
        let count = u32::try_from(indices.len())
            .ok()
            .filter(|count| *count > 0)?;
        let mut program = vec![(LOAD_WORD, 0, 0, RANDOM), (MODULO, 0, 0, count)];
        let stand_ins = indices.iter().filter(|index| **index >= count);
        let missing = (0..count).filter(|drawn| !indices.contains(drawn));
        for (drawn, stand_in) in missing.zip(stand_ins) {
            program.push((JUMP_IF_EQUAL, 0, 1, drawn));
            program.push((RETURN_CONSTANT, 0, 0, *stand_in));
        }
        program.push((RETURN_ACCUMULATOR, 0, 0, 0));
        Some(Self(program))
    }

    /// Drops first packets and lets everything else through: handshakes under way complete, new ones are
    /// answered by nobody, until the socket is closed and the client's next try is refused or served by
    /// whoever listens then.
    pub(crate) fn drop_new_connections() -> Self {
        Self(vec![
            (LOAD_BYTE, 0, 0, TCP_FLAGS),
            (AND, 0, 0, SYN_AND_ACK),
            (JUMP_IF_EQUAL, 0, 1, SYN),
            (RETURN_CONSTANT, 0, 0, 0),
            (RETURN_CONSTANT, 0, 0, u32::MAX),
        ])
    }

    /// Lets it decide which socket of the group a new connection goes to. Attached to any one of the
    /// group's sockets it counts for all; a later one replaces it.
    #[cfg(target_os = "linux")]
    pub(crate) fn attach_to_group(&self, socket: impl AsFd) -> io::Result<()> {
        self.attach(&socket, libc::SO_ATTACH_REUSEPORT_CBPF)
    }

    /// Lets it decide which packets reach the socket.
    #[cfg(target_os = "linux")]
    pub(crate) fn attach_to_socket(&self, socket: impl AsFd) -> io::Result<()> {
        self.attach(&socket, libc::SO_ATTACH_FILTER)
    }

    #[cfg(target_os = "linux")]
    fn attach(&self, socket: &impl AsFd, option: i32) -> io::Result<()> {
        let mut instructions: Vec<libc::sock_filter> = self.0.iter().map(to_kernel).collect();
        let program = libc::sock_fprog {
            len: u16::try_from(instructions.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
            filter: instructions.as_mut_ptr(),
        };
        set_option(socket, option, &program)
    }
}

/// Gives the choice back to the kernel's hash.
#[cfg(target_os = "linux")]
pub(crate) fn detach_from_group(socket: impl AsFd) -> io::Result<()> {
    set_option(&socket, libc::SO_DETACH_REUSEPORT_BPF, &0i32)
}

/// Takes the socket's packet filter away.
#[cfg(target_os = "linux")]
pub(crate) fn detach_from_socket(socket: impl AsFd) -> io::Result<()> {
    set_option(&socket, libc::SO_DETACH_FILTER, &0i32)
}

#[cfg(target_os = "linux")]
fn to_kernel(&(code, jt, jf, k): &Instruction) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

#[cfg(target_os = "linux")]
fn set_option<T>(socket: &impl AsFd, option: i32, value: &T) -> io::Result<()> {
    let length =
        libc::socklen_t::try_from(size_of::<T>()).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the descriptor is borrowed and open, `value` is valid for `length` bytes, and the kernel
    // copies what it (and, for a program, its instruction array, alive in the caller) points to.
    let result = unsafe {
        libc::setsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            option,
            std::ptr::from_ref(value).cast(),
            length,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

#[cfg(not(target_os = "linux"))]
mod unsupported {
    use super::{AsFd, Filter, io};

    impl Filter {
        pub(crate) fn attach_to_group(&self, _socket: impl AsFd) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn attach_to_socket(&self, _socket: impl AsFd) -> io::Result<()> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    pub(crate) fn detach_from_group(_socket: impl AsFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn detach_from_socket(_socket: impl AsFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) use unsupported::{detach_from_group, detach_from_socket};

#[cfg(all(test, target_os = "linux"))]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use super::*;
    use crate::ListenOptions;
    use crate::bind::tcp;
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    fn group(size: usize) -> (Vec<TcpListener>, SocketAddr) {
        let options = ListenOptions::new();
        let address = tcp::probe("127.0.0.1:0".parse().unwrap(), &options).unwrap();
        let listeners = (0..size)
            .map(|_| {
                let socket = tcp::bind_shared(address, &options).unwrap();
                tcp::listen(&socket, &options).unwrap();
                TcpListener::from(socket)
            })
            .collect();
        (listeners, address)
    }

    fn queued(listener: &TcpListener) -> usize {
        std::iter::from_fn(|| listener.accept().ok()).count()
    }

    #[test]
    fn connections_go_to_the_chosen_sockets_only_and_evenly() {
        let (listeners, address) = group(5);
        let filter = Filter::choose_among(&[0, 3, 4]).unwrap();
        filter.attach_to_group(&listeners[1]).unwrap();
        let _clients: Vec<_> = (0..300)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        let counts: Vec<usize> = listeners.iter().map(queued).collect();
        assert_eq!((counts[1], counts[2]), (0, 0), "{counts:?}");
        // 300 draws of three: fewer than 50 for one has a probability below 1e-10.
        assert!(
            [0, 3, 4].iter().all(|index| counts[*index] > 50),
            "{counts:?}"
        );
    }

    #[test]
    fn detaching_gives_the_choice_back() {
        let (listeners, address) = group(2);
        let only_first = Filter::choose_among(&[0]).unwrap();
        only_first.attach_to_group(&listeners[0]).unwrap();
        detach_from_group(&listeners[0]).unwrap();
        let _clients: Vec<_> = (0..64)
            .map(|_| TcpStream::connect(address).unwrap())
            .collect();
        assert!(queued(&listeners[1]) > 0);
    }

    #[test]
    fn a_socket_that_drops_new_connections_keeps_its_queue() {
        let (listeners, address) = group(1);
        let early = TcpStream::connect(address).unwrap();
        Filter::drop_new_connections()
            .attach_to_socket(&listeners[0])
            .unwrap();
        let late = TcpStream::connect_timeout(&address, Duration::from_millis(50));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(queued(&listeners[0]), 1);
        drop(early);
        detach_from_socket(&listeners[0]).unwrap();
        TcpStream::connect(address).unwrap();
    }

    #[test]
    fn nothing_to_choose_from_is_no_filter() {
        assert_eq!(Filter::choose_among(&[]), None);
    }

    #[test]
    fn two_hundred_sockets_need_few_instructions_when_few_are_left_out() {
        let all_but_two: Vec<u32> = (0..200).filter(|index| ![7, 100].contains(index)).collect();
        assert_eq!(
            Filter::choose_among(&all_but_two).unwrap().0.len(),
            2 + 2 * 2 + 1
        );
    }
}
