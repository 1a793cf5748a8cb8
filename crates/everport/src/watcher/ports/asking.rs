//! A worker's request for a port, and what it leads to.

use everport_core::PortId;

use super::Opened;
use crate::{BindError, ListenOptions, PortAddress, Sharing, SlotId, WorkerId};

/// What tells ports apart: the address asked for and, for port number 0, the how-manieth such request of
/// a worker it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct PortKey {
    pub(crate) address: PortAddress,
    pub(crate) ordinal: u32,
}

/// A worker's request for a port.
#[derive(Debug, Clone)]
pub(crate) struct Asker {
    pub(crate) worker: WorkerId,
    pub(crate) slot: SlotId,
    pub(crate) request: u32,
}

/// What a request leads to at once.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The socket has been sent.
    Granted(PortId),
    /// The port has to be opened first: perform [`open`] and hand its result to [`PortTable::opened`].
    Open(ListenOptions, Sharing),
    /// Its socket was passed in, or one that was is in the way: hand this to [`PortTable::opened`].
    Found(Result<Opened, BindError>),
    /// The port is being opened already; the request waits.
    Wait,
    /// It can't be had.
    Denied(BindError),
}
