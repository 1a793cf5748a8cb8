//! The sockets that were passed in: which of them is a port, and which nobody asks for.

use crate::bind::{BindCause, Bound, PassedSocket, PassedSocketError};
use crate::{ListenOptions, PortAddress};

/// All of them, for as long as the watcher runs: a port that nobody wants any more may be wanted again.
#[derive(Debug, Default)]
pub(crate) struct PassedSockets {
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    socket: PassedSocket,
    was_asked_for: bool,
    /// Whether a worker has shut it down for good.
    is_dead: bool,
}

impl PassedSockets {
    /// Takes these, and gives back those whose address is taken already: a port has one socket only.
    pub(crate) fn new(
        sockets: Vec<PassedSocket>,
    ) -> (Self, Vec<(PassedSocket, PassedSocketError)>) {
        let mut passed = Self::default();
        let mut surplus = Vec::new();
        for socket in sockets {
            if passed.entry(socket.address()).is_some() {
                let address = socket.address().clone();
                surplus.push((socket, PassedSocketError::Again { address }));
            } else {
                passed.entries.push(Entry {
                    socket,
                    was_asked_for: false,
                    is_dead: false,
                });
            }
        }
        (passed, surplus)
    }

    /// The socket that is to be this port, with its name; or that one is in the way of it.
    pub(crate) fn find(
        &mut self,
        address: &PortAddress,
        options: &ListenOptions,
    ) -> Option<Result<(Bound, String), BindCause>> {
        if let Some(entry) = self.entry(address) {
            entry.was_asked_for = true;
            if entry.is_dead {
                let what_of_it = ", which a worker has shut down (restart its socket unit)";
                return Some(Err(in_use(&entry.socket, what_of_it)));
            }
            let name = entry.socket.name().to_owned();
            return Some(entry.socket.to_bound(options).map(|bound| (bound, name)));
        }
        let mut sockets = self.entries.iter().map(|entry| &entry.socket);
        let in_the_way = sockets.find(|socket| socket.is_in_the_way_of(address))?;
        let there = in_the_way.address();
        let way_out = format!(
            " (let the program listen on {there}, or its socket unit: ListenStream={address})"
        );
        Some(Err(in_use(in_the_way, &way_out)))
    }

    /// The port's socket was shut down and cannot listen again.
    pub(crate) fn give_up(&mut self, address: &PortAddress) {
        if let Some(entry) = self.entry(address) {
            entry.is_dead = true;
        }
    }

    /// Those that no worker has asked for.
    pub(crate) fn unused(&self) -> impl Iterator<Item = &PassedSocket> {
        let unused = self.entries.iter().filter(|entry| !entry.was_asked_for);
        unused.map(|entry| &entry.socket)
    }

    fn entry(&mut self, address: &PortAddress) -> Option<&mut Entry> {
        let mut entries = self.entries.iter_mut();
        entries.find(|entry| entry.socket.address() == address)
    }
}

fn in_use(socket: &PassedSocket, what_of_it: &str) -> BindCause {
    let (name, address) = (socket.name(), socket.address());
    BindCause::PassedIn(format!(
        "the socket passed in as {name:?} for {address}{what_of_it}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn socket(name: &str) -> PassedSocket {
        PassedSocket::new(name, TcpListener::bind("127.0.0.1:0").unwrap()).unwrap()
    }

    #[test]
    fn a_socket_is_found_by_its_exact_address_and_counts_as_used() {
        let (mut passed, surplus) = PassedSockets::new(vec![socket("web"), socket("admin")]);
        assert!(surplus.is_empty());
        let address = passed.entries[0].socket.address().clone();
        let (bound, name) = passed
            .find(&address, &ListenOptions::new())
            .unwrap()
            .unwrap();
        assert_eq!((bound.address, name.as_str()), (address, "web"));
        let unused: Vec<&str> = passed.unused().map(PassedSocket::name).collect();
        assert_eq!(unused, ["admin"]);
        let other = PortAddress::unix("/run/other");
        assert!(passed.find(&other, &ListenOptions::new()).is_none());
    }

    #[test]
    fn one_that_is_in_the_way_is_named() {
        let (mut passed, _) = PassedSockets::new(vec![socket("web")]);
        let PortAddress::Tcp(mut any) = passed.entries[0].socket.address().clone() else {
            panic!("a TCP socket");
        };
        any.set_ip("0.0.0.0".parse().unwrap());
        let found = passed.find(&PortAddress::from(any), &ListenOptions::new());
        let Some(Err(refused @ BindCause::PassedIn(_))) = found else {
            panic!("{found:?}");
        };
        let there = passed.entries[0].socket.address();
        let expected = format!(
            "address already in use by the socket passed in as \"web\" for {there} (let the program listen on {there}, \
             or its socket unit: ListenStream={any})"
        );
        assert_eq!(refused.to_string(), expected);
    }

    #[test]
    fn one_for_the_same_address_is_given_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let second = listener.try_clone().unwrap();
        let both = vec![
            PassedSocket::new("one", listener).unwrap(),
            PassedSocket::new("two", second).unwrap(),
        ];
        let (_, surplus) = PassedSockets::new(both);
        assert_eq!(surplus.len(), 1);
        assert_eq!(surplus[0].0.name(), "two");
    }

    #[test]
    fn one_that_was_shut_down_for_good_is_not_used_again() {
        let (mut passed, _) = PassedSockets::new(vec![socket("web")]);
        let address = passed.entries[0].socket.address().clone();
        passed.give_up(&address);
        let found = passed.find(&address, &ListenOptions::new());
        assert!(matches!(found, Some(Err(BindCause::PassedIn(_)))));
    }
}
