//! A port of this worker: its sockets, however they are shared, and what the worker does with them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use everport_core::SlotId;

use super::connection::Connection;
use super::connections::Connections;
use super::direct::{Accepted, Direct};
use super::dispatched::Dispatched;
use super::family::Family;
use super::interest::Interest;
use super::transfer::{Arrived, Transfer};
use crate::bind::PathGuard;
use crate::cluster::Membership;
use crate::{PortAddress, Sharing};

/// How long the next connection may be on its way from the watcher once all that were placed have been taken: a channel
/// that is empty for a moment says nothing of the queue behind it.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// What a worker does with a port without knowing its family. Called from the guard thread and from the
/// task that conducts a drain.
pub(crate) trait Port: Send + Sync {
    /// Accepts from another slot's socket, too. Needs a tokio runtime.
    fn lend(&self, slot: SlotId, socket: OwnedFd) -> io::Result<()>;
    /// Gives a lent socket back.
    fn recall(&self, slot: SlotId);
    /// Looks at the shared socket once more.
    fn look(&self);
    /// Stops accepting; `is_stopped` says when.
    fn stop(&self);
    /// Accepts nothing any more from this moment: the worker's thread ends, or is given up on.
    fn abandon(&self);
    /// Whether nothing is accepted any more.
    fn is_stopped(&self) -> bool;
    /// Whether a connection waits to be accepted.
    fn has_waiting(&self) -> bool;
    /// For how long nothing must have come before the port counts as empty, whatever is asked for.
    fn least_quiet(&self) -> Duration;
    /// When the application was last given a connection, or the beginning when it never was.
    fn last_accept(&self) -> Instant;
    /// Whether the application is not accepting.
    fn is_unwanted(&self) -> bool;
}

/// A listening port of this worker.
pub(crate) struct Accepting<F: Family> {
    way: Way<F>,
    address: PortAddress,
    interest: Interest,
    membership: Membership,
    /// Removes the path of a standalone worker's Unix socket in the end.
    _path: Option<PathGuard>,
}

/// How connections come in.
enum Way<F: Family> {
    Direct(Direct<F>),
    Transfer(Transfer),
    Dispatched(Dispatched),
}

/// What connections come from, a listening socket or a channel, and what is to be known of it.
pub(crate) struct Listening {
    pub(crate) socket: OwnedFd,
    pub(crate) address: PortAddress,
    /// How workers share the port; a standalone process's socket is its own, too.
    pub(crate) sharing: Sharing,
    pub(crate) path: Option<PathGuard>,
    pub(crate) membership: Membership,
}

impl<F: Family> Accepting<F>
where
    F::Listener: AsFd,
{
    /// Needs a tokio runtime.
    pub(crate) fn new(listening: Listening, connections: Arc<Connections>) -> io::Result<Self> {
        let socket = listening.socket;
        let way = match listening.sharing {
            Sharing::Reuseport => Way::Direct(Direct::new(socket, connections)?),
            Sharing::Transfer => Way::Transfer(Transfer::start(socket, connections)?),
            Sharing::Dispatch => Way::Dispatched(Dispatched::start(socket, connections)?),
        };
        Ok(Self {
            way,
            address: listening.address,
            interest: Interest::new(),
            membership: listening.membership,
            _path: listening.path,
        })
    }

    pub(crate) fn address(&self) -> &PortAddress {
        &self.address
    }

    /// The next connection; pends for ever once the port has stopped. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<Accepted<F>> {
        self.membership.polled();
        let accept = self.interest.begin();
        let accepted = match &self.way {
            Way::Direct(direct) => direct.accept().await?,
            Way::Transfer(transfer) => adopt::<F>(transfer.accept().await?)?,
            Way::Dispatched(dispatched) => adopt::<F>(dispatched.accept().await?)?,
        };
        accept.succeeded();
        Ok(accepted)
    }
}

fn adopt<F: Family>(arrived: Arrived) -> io::Result<Accepted<F>> {
    let (stream, address) = F::adopt(arrived.socket, arrived.peer)?;
    Ok((Connection::adopted(stream, arrived.counted), address))
}

impl<F: Family> Port for Accepting<F>
where
    F::Listener: AsFd,
{
    fn lend(&self, slot: SlotId, socket: OwnedFd) -> io::Result<()> {
        match &self.way {
            Way::Direct(direct) => direct.lend(slot, socket),
            // No socket belongs to a slot: there is nothing to lend.
            Way::Transfer(_) | Way::Dispatched(_) => Ok(()),
        }
    }

    fn recall(&self, slot: SlotId) {
        if let Way::Direct(direct) = &self.way {
            direct.recall(slot);
        }
    }

    fn look(&self) {
        if let Way::Transfer(transfer) = &self.way {
            transfer.look();
        }
    }

    fn stop(&self) {
        match &self.way {
            Way::Direct(direct) => direct.stop(),
            Way::Transfer(transfer) => transfer.stop(),
            Way::Dispatched(dispatched) => dispatched.stop(),
        }
    }

    fn abandon(&self) {
        match &self.way {
            Way::Direct(direct) => direct.stop(),
            Way::Transfer(transfer) => transfer.abandon(),
            Way::Dispatched(dispatched) => dispatched.stop(),
        }
    }

    fn is_stopped(&self) -> bool {
        match &self.way {
            Way::Direct(direct) => direct.is_stopped(),
            Way::Transfer(transfer) => transfer.is_stopped(),
            Way::Dispatched(dispatched) => dispatched.is_stopped(),
        }
    }

    fn has_waiting(&self) -> bool {
        match &self.way {
            Way::Direct(direct) => direct.has_waiting(),
            Way::Transfer(transfer) => transfer.has_waiting(),
            Way::Dispatched(dispatched) => dispatched.has_waiting(),
        }
    }

    fn least_quiet(&self) -> Duration {
        match &self.way {
            Way::Direct(_) | Way::Transfer(_) => Duration::ZERO,
            Way::Dispatched(_) => ON_ITS_WAY,
        }
    }

    fn last_accept(&self) -> Instant {
        self.interest.last_connection()
    }

    fn is_unwanted(&self) -> bool {
        !self.interest.is_alive()
    }
}
