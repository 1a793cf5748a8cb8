//! Messages between the workers of a cluster and its watcher.

#[allow(dead_code, reason = "the endpoint and the switch speak them")]
mod frame;
mod peer;

#[cfg(test)]
mod tests;

#[allow(unused_imports, reason = "the endpoint and the switch speak them")]
pub(crate) use frame::{
    Disorder, Frame, Head, KEPT, LONGEST_EVENT, LONGEST_FRAME, Lane, Outcome, Progress, WINDOW,
    is_event, readdress,
};
pub use peer::Peer;

/// How long one message may be unless the cluster says otherwise, in bytes: enough for what is passed between processes
/// as one value, and not enough to fill a machine's memory by mistake.
#[allow(dead_code, reason = "the watcher's side says it")]
pub(crate) const DEFAULT_LIMIT: u32 = 16 * 1024 * 1024;
