//! Messages between the workers of a cluster and its watcher.

mod endpoint;
mod error;
mod frame;
mod peer;

#[cfg(test)]
mod tests;

pub(crate) use endpoint::{Closed, Endpoint};
pub use endpoint::{Message, Messages};
pub use error::{CallError, EventNameError, ReceiveError, SendError, SubscribeError, ValueError};
#[allow(unused_imports, reason = "the endpoint and the switch speak them")]
pub(crate) use frame::{
    Disorder, Frame, Head, KEPT, LONGEST_EVENT, LONGEST_FRAME, Lane, Outcome, Progress, WINDOW,
    is_event, readdress,
};
pub use peer::Peer;

/// How long one message may be unless the cluster says otherwise, in bytes: enough for what is passed between processes
/// as one value, and not enough to fill a machine's memory by mistake.
pub(crate) const DEFAULT_LIMIT: u32 = 16 * 1024 * 1024;

/// Between which sizes that can be set: one frame, and what nobody should pass on as one value.
pub(crate) const LIMITS: std::ops::RangeInclusive<u32> = 64 * 1024..=1024 * 1024 * 1024;
