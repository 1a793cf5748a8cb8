//! What a worker's log records go through: memory that it shares with its watcher.

mod absent;

pub(crate) use absent::Producer;
