//! What clients ask of a server: how many there are, and how they connect.

use std::fmt;
use std::net::SocketAddr;

use everport_load::Load;

/// How clients connect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    KeepAlive,
    OneShot,
}

/// So many clients, each of which sends its next request as soon as it has the answer to the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) manner: Manner,
    pub(crate) connections: usize,
}

impl Demand {
    pub(crate) fn of(manner: Manner, connections: usize) -> Self {
        Self {
            manner,
            connections,
        }
    }

    pub(super) fn load(self, address: SocketAddr) -> Load {
        let load = Load::new(address)
            .clients(self.connections)
            .expect_body("Hello, World!");
        match self.manner {
            Manner::KeepAlive => load.keep_alive(),
            Manner::OneShot => load.one_shot().source_addresses(SOURCES),
        }
    }
}

impl Manner {
    pub(crate) const ALL: [Self; 2] = [Self::KeepAlive, Self::OneShot];

    /// How a file of it is called.
    pub(crate) fn slug(self) -> &'static str {
        match self {
            Self::KeepAlive => "keep-alive",
            Self::OneShot => "one-connection-each",
        }
    }
}

impl fmt::Display for Manner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::KeepAlive => "keep-alive",
            Self::OneShot => "one connection each",
        })
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} connections, {}", self.connections, self.manner)
    }
}

/// Each has port numbers of its own, so that a client never looks long for a free one.
const SOURCES: u8 = 16;
