//! The supervisor: events in, actions and notices out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use crate::{Action, Event, Generation, Notice, Policy, SlotId, Timestamp, WorkerId};

/// The state machine.
#[derive(Debug)]
pub struct Supervisor {
    actions: VecDeque<Action>,
    notices: VecDeque<Notice>,
}

impl Supervisor {
    /// A supervisor that wants `workers` slots filled; its first actions are their spawns.
    #[must_use]
    pub fn new(_policy: Policy, _workers: u32, _seed: u64, _now: Timestamp) -> Self {
        Self {
            actions: VecDeque::new(),
            notices: VecDeque::new(),
        }
    }

    /// Takes note of what happened. Drain the outputs afterwards.
    pub fn handle_event(&mut self, _now: Timestamp, _event: Event) {}

    /// Takes note that time has passed. Drain the outputs afterwards.
    pub fn handle_timeout(&mut self, _now: Timestamp) {}

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next record.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        None
    }

    /// What it looks like inside.
    #[must_use]
    pub fn status(&self) -> Status {
        Status {
            generation: Generation(1),
            rollout: None,
            slots: 0,
            workers: Vec::new(),
        }
    }

    /// Why the cluster is not where it should be; `None` once it is.
    #[must_use]
    pub fn pending(&self) -> Option<Pending> {
        None
    }
}

/// A snapshot for people and programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The newest generation that finished.
    pub generation: Generation,
    /// The generation being rolled out, if any.
    pub rollout: Option<Generation>,
    /// How many slots there should be.
    pub slots: u32,
    /// Every worker there is, sorted by id.
    pub workers: Vec<WorkerStatus>,
}

/// One worker in a [`Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its id.
    pub worker: WorkerId,
    /// Its slot.
    pub slot: SlotId,
    /// Its generation.
    pub generation: Generation,
    /// Where it is in its life.
    pub state: WorkerState,
    /// Whether it is stopped by a signal.
    pub suspended: bool,
}

/// The states of a worker in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkerState {
    /// Its spawn was asked for.
    Spawning,
    /// Its process exists.
    Booting,
    /// It serves.
    Ready,
    /// It finishes what it has.
    Draining,
    /// It was killed, its death has not been seen yet.
    Killed,
}

/// Why the cluster is not yet where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pending {
    /// A slot has no ready worker.
    SlotNotReady(SlotId),
    /// A rollout is under way.
    Rollout(Generation),
    /// Slots are on their way back to this generation.
    RollingBack(Generation),
    /// A worker still drains.
    Draining(WorkerId),
    /// A worker is to be replaced.
    Replacement(WorkerId),
    /// The cluster stops and this worker is still there.
    Stopping(WorkerId),
}
