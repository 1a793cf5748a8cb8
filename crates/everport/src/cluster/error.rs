//! What can go wrong on the worker's side.

use std::io;
use std::time::Duration;

use crate::{AddressError, BindError};

/// Why a process could not join its cluster.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// Joining needs tokio.
    #[error(
        "cannot join outside of a tokio runtime (call it from an async main, or in Runtime::block_on)"
    )]
    NoRuntime,
    /// This process has joined already.
    #[error("this process has joined its cluster already (clone the Cluster it has)")]
    AlreadyJoined,
    /// The environment names a link in a way that no watcher does.
    #[error("EVERPORT_LINK is {0:?}, which is not <fd>:<inode> (unset it to run standalone)")]
    Malformed(String),
    /// No version of the link's protocol is spoken by both.
    #[error(
        "this program's everport speaks versions {ours_oldest} to {ours_newest} of the link, its watcher {theirs_oldest} to {theirs_newest} (upgrade the older of the two: the everport command, or this program's dependency)"
    )]
    Version {
        /// The oldest version of this library.
        ours_oldest: u16,
        /// The newest version of this library.
        ours_newest: u16,
        /// The watcher's oldest version.
        theirs_oldest: u16,
        /// The watcher's newest version.
        theirs_newest: u16,
    },
    /// The watcher is silent.
    #[error("the watcher has not answered within {} s (is it stopped?)", .0.as_secs())]
    NoAnswer(Duration),
    /// The watcher is gone, or what is at the other end is none.
    #[error("cannot speak to the watcher: {0} (start the program through everport again)")]
    Link(String),
    /// The system refused what joining needs: a thread, a descriptor or a signal handler.
    #[error("cannot join: {0}")]
    System(#[from] io::Error),
}

/// Why a worker could not listen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The text is not an address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The address could not be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The worker drains and listens to nothing any more.
    #[error("cannot listen on {0}: this worker is draining")]
    Draining(crate::PortAddress),
    /// The watcher is gone.
    #[error("cannot listen on {0}: the watcher is gone")]
    LinkLost(crate::PortAddress),
    /// The watcher is silent.
    #[error("cannot listen on {address}: the watcher has not answered within {} s", .waited.as_secs())]
    NoAnswer {
        /// What was asked for.
        address: crate::PortAddress,
        /// How long the answer was waited for.
        waited: Duration,
    },
    /// The system refused what a listener needs: a thread, a descriptor or memory.
    #[error("cannot listen on {address}: {error}")]
    System {
        /// What was asked for.
        address: crate::PortAddress,
        /// What the system says.
        error: io::Error,
    },
}

/// What went wrong while a worker left. It has left nevertheless.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveError {
    /// The watcher was gone before the end of the drain could be reported to it.
    #[error("the end of the drain could not be reported: the watcher is gone")]
    LinkLost,
    /// Hooks panicked.
    #[error("{0} of the hooks that were to run at the end panicked")]
    Hooks(usize),
}
