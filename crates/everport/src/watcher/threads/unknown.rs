//! Where the system tells nothing about the threads of others.

use crate::log::Thread;

/// Nothing.
pub(crate) fn threads_of(_pid: u32) -> Vec<Thread> {
    Vec::new()
}
