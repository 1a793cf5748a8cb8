//! Messages between the workers of a cluster and its watcher.
//!
//! A worker sends with [`Cluster::send`](crate::Cluster::send) and its siblings, the application that the watcher is embedded in
//! with those of its [`Handle`](crate::watcher::Handle). What is sent has an event's name and a value of any serde type, and is
//! received as a stream ([`Messages`]). A request has one answer, or a [`CallError`] by its deadline at the latest.
//!
//! Each message arrives whole, once, and after those that the same sender has sent the same receiver before; or, when
//! either of them dies, not at all. Nobody is sent more than he takes: whoever sends waits. Nothing is opened for
//! messages until they are used.
//!
//! ```no_run
//! # async fn example(cluster: everport::Cluster) -> Result<(), Box<dyn std::error::Error>> {
//! let mut flags = cluster.messages::<Vec<String>>("flags")?;
//! cluster.broadcast("flags", &["dark-mode"]).await?;
//! while let Some(message) = flags.next().await {
//!     let message = message?;
//!     println!("{} has set {:?}", message.from, message.value);
//! }
//! # Ok(())
//! # }
//! ```

mod endpoint;
mod error;
mod frame;
mod peer;

#[cfg(test)]
mod tests;

pub(crate) use endpoint::{Closed, Endpoint};
pub use endpoint::{Message, Messages};
pub use error::{CallError, EventNameError, ReceiveError, SendError, SubscribeError, ValueError};
pub(crate) use frame::{
    Disorder, Frame, Head, KEPT, LONGEST_FRAME, Lane, Outcome, Progress, WINDOW, is_event,
    readdress,
};
pub use peer::Peer;

/// How long one message may be unless the cluster says otherwise, in bytes: enough for what is passed between processes
/// as one value, and not enough to fill a machine's memory by mistake.
pub(crate) const DEFAULT_LIMIT: u32 = 16 * 1024 * 1024;

/// Between which sizes that can be set: one frame, and what nobody should pass on as one value.
pub(crate) const LIMITS: std::ops::RangeInclusive<u32> = 64 * 1024..=1024 * 1024 * 1024;
