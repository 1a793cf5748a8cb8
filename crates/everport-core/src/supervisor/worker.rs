//! What is known about one worker.

use alloc::collections::BTreeSet;

use crate::{Generation, PortId, ReplaceCause, Timestamp, WorkerId, WorkerState};

/// One spawn attempt and what became of it.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) id: WorkerId,
    pub(super) generation: Generation,
    pub(super) state: WorkerState,
    /// Whether the shell has answered the spawn. A killed worker can still be without an answer.
    pub(super) spawn_answered: bool,
    pub(super) suspended: bool,
    /// Since when somebody waits for its answer.
    pub(super) silent_since: Option<Timestamp>,
    /// Whether it has stayed ready for as long as the policy wants to see.
    pub(super) settled: bool,
    /// Whether it would have settled by now, had it not been silent.
    pub(super) settles_when_heard: bool,
    /// Whether its end is a failed attempt of its slot although it was told to go.
    pub(super) failed: bool,
    /// Whether it was told that the cluster leaves.
    pub(super) announced: bool,
    pub(super) replacement: Replacement,
    pub(super) spawned_at: Timestamp,
    pub(super) ready_at: Option<Timestamp>,
    pub(super) ports: BTreeSet<PortId>,
}

/// Whether a worker wants a successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replacement {
    No,
    Wanted(ReplaceCause),
    Started,
}

impl Worker {
    pub(super) fn new(id: WorkerId, generation: Generation, now: Timestamp) -> Self {
        Self {
            id,
            generation,
            state: WorkerState::Spawning,
            spawn_answered: false,
            suspended: false,
            silent_since: None,
            settled: false,
            settles_when_heard: false,
            failed: false,
            announced: false,
            replacement: Replacement::No,
            spawned_at: now,
            ready_at: None,
            ports: BTreeSet::new(),
        }
    }

    /// Whether it is on its way up or there: everything but draining and killed.
    pub(super) fn is_live(&self) -> bool {
        !self.is_going()
    }

    /// Whether it is on its way out.
    pub(super) fn is_going(&self) -> bool {
        matches!(self.state, WorkerState::Draining | WorkerState::Killed)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.state == WorkerState::Ready
    }

    pub(super) fn is_silent(&self) -> bool {
        self.silent_since.is_some()
    }

    /// Whether new connections can be left to it.
    pub(super) fn serves(&self) -> bool {
        self.is_ready() && !self.suspended && !self.is_silent()
    }

    /// Whether its predecessor may go.
    pub(super) fn can_take_over(&self) -> bool {
        self.serves() && self.settled
    }

    pub(super) fn wants_successor(&self) -> bool {
        self.replacement != Replacement::No
    }
}
