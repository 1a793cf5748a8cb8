//! What goes wrong while connections are passed on to workers, and who pays for it.

use super::event_loop::EventLoop;
use crate::log::Notice;
use crate::{PortAddress, WorkerId};

/// What went wrong at a port that is shared by dispatch.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// A worker's channel can't be used any more.
    Channel {
        worker: WorkerId,
        address: PortAddress,
        error: String,
    },
    /// The system does not let us accept.
    Accept { address: PortAddress, error: String },
}

impl EventLoop {
    /// A worker without its channel would serve nobody, so that costs it its link as well.
    pub(super) fn handle_dispatching(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Channel {
                worker,
                address,
                error,
            } => {
                let error = format!("its channel for {address} failed: {error}");
                self.break_link(worker, &error);
            }
            Trouble::Accept { address, error } => {
                self.tell(Notice::AcceptRefused { address, error });
            }
        }
    }
}
