//! Hands filters to Linux.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use super::{Filter, Instruction};

impl Filter {
    /// Lets it decide which socket of the group a new connection goes to. Attached to any one of the
    /// group's sockets it counts for all; a later one replaces it.
    pub(crate) fn attach_to_group(&self, socket: impl AsFd) -> io::Result<()> {
        self.attach(&socket, libc::SO_ATTACH_REUSEPORT_CBPF)
    }

    /// Lets it decide which packets reach the socket.
    pub(crate) fn attach_to_socket(&self, socket: impl AsFd) -> io::Result<()> {
        self.attach(&socket, libc::SO_ATTACH_FILTER)
    }

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
pub(crate) fn detach_from_group(socket: impl AsFd) -> io::Result<()> {
    set_option(&socket, libc::SO_DETACH_REUSEPORT_BPF, &0i32)
}

/// Takes the socket's packet filter away.
pub(crate) fn detach_from_socket(socket: impl AsFd) -> io::Result<()> {
    set_option(&socket, libc::SO_DETACH_FILTER, &0i32)
}

fn to_kernel(&(code, jt, jf, k): &Instruction) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

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

#[cfg(test)]
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
}
