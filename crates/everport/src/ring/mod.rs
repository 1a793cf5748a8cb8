//! What a worker's log records go through: memory that it shares with its watcher.

#[cfg(any(test, feature = "tracing"))]
mod absent;

#[cfg(any(test, feature = "tracing"))]
pub(crate) use absent::Producer;
