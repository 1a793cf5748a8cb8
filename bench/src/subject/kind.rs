//! What can be measured, and whether it is installed.

use std::error::Error;
use std::fmt;
use std::net::SocketAddr;

use anyhow::Context;
use everport::Sharing;

use super::multi_threaded::MultiThreaded;
use super::peer::{Granian, Gunicorn, Haproxy, Nginx, NodeCluster, Peer, Pm2, Puma, Recipe};
use super::{Subject, Unmanaged, cluster};

/// What can be measured, in the order of tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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

    /// Starts other people's on a port of 127.0.0.1 that nobody has, and waits for nothing.
    pub(crate) fn launch_peer(self, workers: u32, address: SocketAddr) -> anyhow::Result<Peer> {
        let recipe = self.recipe();
        let recipe = recipe.with_context(|| format!("{self} is not other people's"))?;
        Peer::launch(self.name(), recipe, workers, address.port())
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

/// The others do not wait either whether a new worker stays.
const SETTLE: &str = "--settle 0";

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

#[cfg(test)]
mod tests {
    use std::thread;

    use everport_tests::{is_alive, take_turn, wait_until};

    use super::*;

    /// Two workers: that they are replaced and gone is to be seen, not how well they serve.
    fn try_out(kind: Kind) {
        let subject = kind.start(2).unwrap();
        let before = subject.pids();
        assert!(
            before.iter().all(|pid| is_alive(*pid)),
            "{kind}: {before:?}"
        );
        let can_restart = subject.restart().unwrap();
        let (after, workers) = (subject.pids(), subject.workers());
        if can_restart && workers.len() == 2 {
            assert_eq!(after[0], before[0], "{kind} has another manager");
            assert!(!workers.iter().any(|pid| before.contains(pid)), "{kind}");
        }
        drop(subject);
        let all: Vec<u32> = before.into_iter().chain(after).collect();
        // Killed they are, but it is the kernel that ends them.
        wait_until(&format!("the end of {all:?} of {kind}"), || {
            !all.iter().any(|pid| is_alive(*pid))
        });
    }

    #[test]
    fn what_is_installed_starts_replaces_its_workers_and_leaves_nothing() {
        let _turn = take_turn();
        let installed = Kind::ALL.into_iter().filter(|kind| kind.find().is_ok());
        // Whatever fails, all of them come to their end.
        thread::scope(|scope| {
            for kind in installed {
                scope.spawn(move || try_out(kind));
            }
        });
    }
}
