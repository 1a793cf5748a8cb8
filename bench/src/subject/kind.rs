//! What can be measured, and whether it is installed.

use std::error::Error;
use std::fmt;

use everport::Sharing;

use super::multi_threaded::MultiThreaded;
use super::peer::{Granian, Gunicorn, Haproxy, Nginx, NodeCluster, Peer, Pm2, Puma, Recipe};
use super::{Subject, Unmanaged, cluster};

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A cluster of processes, each with a socket of its own.
    Reuseport,
    /// A cluster of processes that share one socket.
    Transfer,
    /// A cluster of processes that are given connections by the watcher.
    Dispatch,
    /// A cluster of threads, by the default way to share.
    Threads,
    /// The same program, each process for itself.
    Unmanaged,
    /// The same program as one process with several threads.
    MultiThreaded,
    Nginx,
    Haproxy,
    NodeCluster,
    Pm2,
    Gunicorn,
    Granian,
    Puma,
}

/// What an installed subject says its version is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Version(pub(super) String);

/// Why a subject cannot be measured here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Missing(pub(super) String);

impl Kind {
    /// All of them, everport's first.
    pub(crate) const ALL: [Self; 13] = [
        Self::Reuseport,
        Self::Transfer,
        Self::Dispatch,
        Self::Threads,
        Self::Unmanaged,
        Self::MultiThreaded,
        Self::Nginx,
        Self::Haproxy,
        Self::NodeCluster,
        Self::Pm2,
        Self::Gunicorn,
        Self::Granian,
        Self::Puma,
    ];

    /// How tables call it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Reuseport => "everport, reuseport",
            Self::Transfer => "everport, transfer",
            Self::Dispatch => "everport, dispatch",
            Self::Threads => "everport, threads",
            Self::Unmanaged => "unmanaged",
            Self::MultiThreaded => "multi-threaded",
            Self::Nginx => "nginx",
            Self::Haproxy => "HAProxy",
            Self::NodeCluster => "Node cluster",
            Self::Pm2 => "PM2",
            Self::Gunicorn => "gunicorn",
            Self::Granian => "granian",
            Self::Puma => "puma",
        }
    }

    /// Whether it is a cluster of everport's.
    pub(crate) fn is_everport(self) -> bool {
        matches!(
            self,
            Self::Reuseport | Self::Transfer | Self::Dispatch | Self::Threads
        )
    }

    /// Whether it is the server under test, with or without everport.
    pub(crate) fn is_ours(self) -> bool {
        self.is_everport() || matches!(self, Self::Unmanaged | Self::MultiThreaded)
    }

    /// Its version, if it is installed.
    pub(crate) fn find(self) -> Result<Version, Missing> {
        match self.recipe() {
            Some(recipe) => recipe.find(),
            None => Ok(Version(env!("CARGO_PKG_VERSION").to_owned())),
        }
    }

    /// Starts it with so many workers on a port of its own, and waits until it serves.
    pub(crate) fn start(self, workers: u32) -> anyhow::Result<Box<dyn Subject>> {
        if let Some(recipe) = self.recipe() {
            return Ok(Box::new(Peer::start(self.name(), recipe, workers)?));
        }
        let cluster = |share| cluster::lossless_cluster(workers, share, SETTLE);
        Ok(match self {
            Self::Transfer => Box::new(cluster(Sharing::Transfer)),
            Self::Dispatch => Box::new(cluster(Sharing::Dispatch)),
            Self::Threads => Box::new(cluster::thread_cluster(workers, Sharing::DEFAULT, SETTLE)),
            Self::Unmanaged => Box::new(Unmanaged::start(workers)?),
            Self::MultiThreaded => Box::new(MultiThreaded::start(workers)?),
            _ => Box::new(cluster(Sharing::Reuseport)),
        })
    }

    /// How to come by it if it is other people's.
    fn recipe(self) -> Option<&'static dyn Recipe> {
        Some(match self {
            Self::Reuseport
            | Self::Transfer
            | Self::Dispatch
            | Self::Threads
            | Self::Unmanaged
            | Self::MultiThreaded => return None,
            Self::Nginx => &Nginx,
            Self::Haproxy => &Haproxy,
            Self::NodeCluster => &NodeCluster,
            Self::Pm2 => &Pm2,
            Self::Gunicorn => &Gunicorn,
            Self::Granian => &Granian,
            Self::Puma => &Puma,
        })
    }
}

/// Most others do not wait at all whether a new worker stays; with our second for each worker a restart would take
/// longer than the time between two.
const SETTLE: &str = "--settle 0.2";

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Error for Missing {}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
