//! What the shell tells the supervisor.

use crate::{PortId, WorkerId};

/// Something that happened, or a command. Events about a worker that is gone or was never spawned are
/// ignored: duplicates and late arrivals are normal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Command: start a rollout. During a rollout it is remembered, and one more starts when it ends.
    Restart,
    /// Command: hold this many serving workers. At least 1; zero is taken as 1.
    Scale {
        /// The number of slots.
        workers: u32,
    },
    /// Command: drain every worker, then exit. Wins over everything but `ForceStop`.
    ///
    /// With a drain delay, and if a worker is ready, the drains begin after it only. Until then supervision
    /// goes on, and so does a rollout that runs; `Restart`, `Scale`, one more `Stop` and requests to be replaced
    /// change nothing any more. Only `ForceStop` and a crash loop that ends the cluster do not wait for it.
    Stop,
    /// Command: kill every worker, then exit.
    ForceStop,
    /// The worker's process exists.
    Spawned {
        /// Which one.
        worker: WorkerId,
    },
    /// The worker's process could not be started.
    SpawnFailed {
        /// Which one.
        worker: WorkerId,
    },
    /// The worker asked for a port and was given it.
    Listening {
        /// Which one.
        worker: WorkerId,
        /// What it was given.
        port: PortId,
    },
    /// The worker gave a port back while it goes on. When no live worker is left that has asked for the
    /// port, it is closed: nobody would accept its connections. A later `Listening` makes it known again.
    Released {
        /// Which one.
        worker: WorkerId,
        /// What it gave back.
        port: PortId,
    },
    /// The worker has said that it serves.
    Ready {
        /// Which one.
        worker: WorkerId,
    },
    /// The worker is to be replaced ready-first and drained afterwards.
    ReplaceRequested {
        /// Which one.
        worker: WorkerId,
        /// Why.
        cause: ReplaceCause,
    },
    /// The worker no longer runs but is not dead (`SIGSTOP`): it does not serve.
    ///
    /// One that is ready but has not settled may stand still for the boot timeout; then it is killed as a
    /// failed attempt, so that no rollout and no replacement waits for it for ever. The first workers of a
    /// cluster are treated alike: nobody waits for them, but one that stopped before it had proven anything
    /// is worth no more than one that never got ready, and its slot can have another. (A worker that still
    /// boots has its boot deadline, whether it runs or not.) A worker that has settled may stand still for
    /// as long as somebody wants it to, unless a rollout still waits for it to take its slot over.
    Suspended {
        /// Which one.
        worker: WorkerId,
    },
    /// The suspended worker runs again. If it had not settled, it starts to settle anew.
    Resumed {
        /// Which one.
        worker: WorkerId,
    },
    /// The worker runs but does not answer while somebody waits for it: it does not serve. New connections go
    /// to others, and it is killed when it stays silent for the hang timeout, its end being a death of its slot
    /// like any other.
    ///
    /// A silence does not start settling anew, as a pause does: one that would have settled during it settles
    /// once it is heard. A ready worker that has yet to be relied on may be silent for the shorter one of boot
    /// and hang timeout, so that no rollout and no replacement waits for it for ever, whatever the hang timeout.
    ///
    /// Silence counts while the worker is ready and not suspended: one that boots has its boot deadline, one
    /// that drains its drain deadline, and one that is stopped cannot answer. Its silence lasts until `Heard`
    /// all the same, and counts from the beginning once it is ready or resumed.
    Silent {
        /// Which one.
        worker: WorkerId,
    },
    /// The silent worker answers again.
    Heard {
        /// Which one.
        worker: WorkerId,
    },
    /// The worker began to drain on its own, or can no longer be told anything (its link is gone): it
    /// does not serve any more and will exit, at the latest when its drain deadline kills it.
    Leaving {
        /// Which one.
        worker: WorkerId,
    },
    /// The worker's process is dead and reaped.
    Exited {
        /// Which one.
        worker: WorkerId,
        /// How it went.
        exit: Exit,
    },
}

/// Why a worker is to be replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplaceCause {
    /// It asked for that.
    Asked,
    /// It has accepted as many connections as one worker may.
    Connections,
    /// It uses more memory than one worker may.
    Memory,
    /// It has lived for as long as one worker may.
    Lifetime,
}

/// How a worker's process ended, as far as the supervisor cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself with success.
    Success,
    /// By a failing exit code or a signal.
    Failure,
}
