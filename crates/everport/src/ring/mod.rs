//! What a worker's log records go through: memory that it shares with its watcher.
//!
//! A record is handed over once it is committed, which takes the worker no system call and needs no turn of the
//! watcher: it is there even when the worker is killed in the next instant. `docs/protocol.md` has the layout.
//!
//! The worker writes records and moves the *head*, the watcher takes them and moves the *tail*. Neither ever waits
//! for the other, unless the worker was told to wait for room.

mod layout;

#[cfg(any(not(target_os = "linux"), everport_portable))]
mod absent;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod consumer;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod memory;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod producer;
#[cfg(all(test, target_os = "linux", not(everport_portable)))]
mod tests;

#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(crate) use absent::{Consumer, Producer, Ring};
#[cfg(all(
    target_os = "linux",
    not(everport_portable),
    any(test, feature = "fuzzing")
))]
pub(crate) use consumer::filled;
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use consumer::{Consumer, Ring};
pub(crate) use layout::Size;
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use producer::Producer;

/// Why what is in a ring cannot be taken. A ring is its worker's to fill, and nothing in it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nonsense {
    /// The head is behind the tail, or further ahead of it than the ring is long.
    #[error("a head at {head} with the tail at {tail}")]
    Head { head: u64, tail: u64 },
    /// No record is that long.
    #[error("a record of {0} bytes")]
    Length(u32),
    /// The record goes on where nothing has been committed.
    #[error("a record that goes beyond what is committed")]
    Beyond,
    /// The number of lost records became smaller.
    #[error("fewer lost records ({now}) than before ({before})")]
    Lost { now: u64, before: u64 },
    /// The bytes between two lengths are not a record.
    #[error(transparent)]
    Record(#[from] crate::record::Malformed),
    /// The system does not let us read it.
    #[error("memory that cannot be read ({0})")]
    Unreadable(rustix::io::Errno),
}
