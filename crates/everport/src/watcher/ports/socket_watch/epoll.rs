//! By an epoll set that asks for hang-ups only. An armed socket's next connection is reported once.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use everport_core::PortId;
use rustix::event::epoll;
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{Seen, SocketName};
use crate::{SlotId, reactor};

/// The sockets that are watched.
#[derive(Debug)]
pub(crate) struct SocketWatch {
    set: AsyncFd<OwnedFd>,
}

impl SocketWatch {
    pub(crate) fn new() -> io::Result<Self> {
        let set = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            set: reactor::register(set, Interest::READABLE)?,
        })
    }

    /// Begins to watch a socket that listens.
    pub(crate) fn add(&self, socket: impl AsFd, name: SocketName) -> io::Result<()> {
        let data = epoll::EventData::new_u64(to_number(name));
        Ok(epoll::add(&self.set, socket, data, HANG_UPS)?)
    }

    /// Reports the next connection, or one that waits already, once. Whether it does: one that can't be watched serves all
    /// the same.
    pub(crate) fn arm(&self, socket: impl AsFd, name: SocketName) -> bool {
        let data = epoll::EventData::new_u64(to_number(name));
        let flags = HANG_UPS | epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        match epoll::modify(&self.set, &socket, data, flags) {
            Err(Errno::NOENT) => epoll::add(&self.set, &socket, data, flags).is_ok(),
            result => result.is_ok(),
        }
    }

    /// Reports hang-ups only, which a socket that has reported a connection does not do either.
    pub(crate) fn disarm(&self, socket: impl AsFd, name: SocketName) {
        let data = epoll::EventData::new_u64(to_number(name));
        let _not_watched = epoll::modify(&self.set, socket, data, HANG_UPS);
    }

    /// Ends it. Must come before the socket is closed: the set goes with the description that workers
    /// still share, not with our descriptor. One that is not watched stays so.
    pub(crate) fn remove(&self, socket: impl AsFd) {
        let _not_watched = epoll::delete(&self.set, socket);
    }

    /// Waits until something is to be seen. Cancel safe: a hang-up that is not handled is reported again.
    pub(crate) async fn wait(&self) -> io::Result<Seen> {
        loop {
            let mut ready = self.set.readable().await?;
            let seen = self.take()?;
            if seen != Seen::default() {
                return Ok(seen);
            }
            ready.clear_ready();
        }
    }

    fn take(&self) -> io::Result<Seen> {
        const AT_ONCE: usize = 16; // more are reported by the next call
        let mut events = [epoll::Event {
            flags: epoll::EventFlags::empty(),
            data: epoll::EventData::new_u64(0),
        }; AT_ONCE];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let filled = epoll::wait(&self.set, &mut events[..], Some(&now))?;
        let mut seen = Seen::default();
        for event in &events[..filled] {
            let flags = event.flags;
            if flags.intersects(HANG_UPS) {
                seen.shut.push(from_number(event.data.u64()));
            } else {
                seen.has_connection = true;
            }
        }
        Ok(seen)
    }
}

/// What a socket that was shut down reports: a Unix socket that was so for reading only, the last of them.
const HANG_UPS: epoll::EventFlags = epoll::EventFlags::HUP
    .union(epoll::EventFlags::ERR)
    .union(epoll::EventFlags::RDHUP);

/// Slot numbers are below this one, which stands for "no slot".
const NO_SLOT: u32 = u32::MAX;

fn to_number((port, slot): SocketName) -> u64 {
    let slot = slot.map_or(NO_SLOT, |slot| slot.0);
    u64::from(port.0) << 32 | u64::from(slot)
}

fn from_number(number: u64) -> SocketName {
    let [high, low] = [number >> 32, number & u64::from(u32::MAX)]
        .map(|half| u32::try_from(half).unwrap_or(NO_SLOT));
    (PortId(high), (low != NO_SLOT).then_some(SlotId(low)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    fn shut(name: SocketName) -> Seen {
        Seen {
            shut: vec![name],
            has_connection: false,
        }
    }

    const CONNECTION: Seen = Seen {
        shut: Vec::new(),
        has_connection: true,
    };

    async fn next(watch: &SocketWatch) -> Seen {
        let seen = tokio::time::timeout(Duration::from_secs(10), watch.wait()).await;
        seen.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_shutdown_is_seen_and_connections_are_not() {
        let watch = SocketWatch::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = (PortId(3), Some(SlotId(7)));
        watch.add(&listener, name).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(watch.take().unwrap(), Seen::default());
        rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
        assert_eq!(next(&watch).await, shut(name));
        watch.remove(&listener);
        assert_eq!(watch.take().unwrap(), Seen::default());
    }

    #[tokio::test]
    async fn an_armed_socket_tells_of_one_connection() {
        let watch = SocketWatch::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let name = (PortId(3), None);
        assert!(watch.arm(&listener, name));
        assert_eq!(watch.take().unwrap(), Seen::default());
        let connect = || TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let _first = connect();
        assert_eq!(next(&watch).await, CONNECTION);
        let _second = connect();
        assert_eq!(watch.take().unwrap(), Seen::default());
        // What waits already counts when it is armed again, and a hang-up does once it is disarmed.
        assert!(watch.arm(&listener, name));
        assert_eq!(next(&watch).await, CONNECTION);
        watch.disarm(&listener, name);
        rustix::net::shutdown(&listener, rustix::net::Shutdown::Both).unwrap();
        assert_eq!(next(&watch).await, shut(name));
    }

    #[tokio::test]
    async fn what_cannot_be_watched_is_not_armed() {
        let watch = SocketWatch::new().unwrap();
        let file = std::fs::File::open("/proc/self/exe").unwrap(); // no epoll takes a file
        assert!(!watch.arm(&file, (PortId(3), None)));
    }

    #[test]
    fn names_survive_the_way_through_the_kernel() {
        for name in [
            (PortId(0), None),
            (PortId(9), Some(SlotId(0))),
            (PortId(u32::MAX), Some(SlotId(5))),
        ] {
            assert_eq!(from_number(to_number(name)), name);
        }
    }
}
