//! The private channel between the watcher and one worker.

mod frame;

pub(crate) use frame::{FromWatcher, FromWorker, Welcome};
