//! The private channel between the watcher and one worker.

mod channel;
mod codec;
mod dispatch_channel;
mod dispatch_frame;
mod fields;
mod frame;
mod session;
mod wire;

#[cfg(test)]
mod tests;

/// Names the link in a worker's environment: `<fd>:<inode>`.
pub(crate) const LINK_VARIABLE: &str = "EVERPORT_LINK";

pub(crate) use channel::{LinkError, WatcherEnd, WorkerEnd, pair, receive_packet, send_packet};
pub(crate) use dispatch_channel::{PlacingEnd, Taken, TakingEnd, has_placed, take};
pub(crate) use dispatch_frame::{Placed, Report};
pub(crate) use frame::{Drained, FromWatcher, FromWorker, Welcome};
pub(crate) use session::{NEWEST_VERSION, OLDEST_VERSION, Session, negotiate};
pub(crate) use wire::{DecodeError, Reader};
