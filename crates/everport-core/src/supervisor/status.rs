//! What the supervisor tells about itself.

use alloc::vec::Vec;

use super::rollout::Rollout;
use super::slot::Slot;
use super::worker::Worker;
use super::{Phase, Supervisor};
use crate::{Generation, SlotId, WorkerId};

/// A snapshot for people and programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The newest generation that finished.
    pub generation: Generation,
    /// The generation being rolled out, if any.
    pub rollout: Option<Generation>,
    /// Whether a graceful stop was asked for and its drain delay runs.
    pub leaving: bool,
    /// Whether the cluster stops: its workers drain and get no successors.
    pub stopping: bool,
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
    /// Whether it does not answer while somebody waits for it.
    pub silent: bool,
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
    /// A graceful stop was asked for, and the drain delay runs.
    Leaving,
    /// The cluster stops and this worker is still there.
    Stopping(WorkerId),
}

impl Supervisor {
    /// What it looks like inside.
    #[must_use]
    pub fn status(&self) -> Status {
        let worker = |(id, slot): (&WorkerId, &SlotId)| {
            let worker = self.worker(*id)?;
            Some(WorkerStatus {
                worker: *id,
                slot: *slot,
                generation: worker.generation,
                state: worker.state,
                suspended: worker.suspended,
                silent: worker.is_silent(),
            })
        };
        Status {
            generation: self.good,
            rollout: self.rollout_to(),
            leaving: matches!(self.phase, Phase::Leaving { .. }),
            stopping: matches!(self.phase, Phase::Stopping(_) | Phase::Exited),
            slots: self.wanted,
            workers: self.homes.iter().filter_map(worker).collect(),
        }
    }

    /// The newest generation that finished, and the one being rolled out: what slots get workers of.
    #[must_use]
    pub fn generations(&self) -> [Option<Generation>; 2] {
        [Some(self.good), self.rollout_to()]
    }

    /// Whether every slot has a worker that serves, of whatever generation.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        let is_served = |(_, slot): (_, &Slot)| slot.workers().any(Worker::serves);
        self.wanted_slots().all(is_served)
    }

    /// Why the cluster is not where it should be; `None` once it is. Of several reasons it is the one
    /// that the others wait for.
    #[must_use]
    pub fn pending(&self) -> Option<Pending> {
        match self.phase {
            Phase::Running => self
                .pending_rollout()
                .or_else(|| self.pending_slot())
                .or_else(|| self.pending_worker()),
            Phase::Leaving { .. } => Some(Pending::Leaving),
            Phase::Stopping(_) | Phase::Exited => {
                self.homes.keys().next().copied().map(Pending::Stopping)
            }
        }
    }

    fn pending_rollout(&self) -> Option<Pending> {
        self.rollout.map(|rollout| match rollout {
            Rollout::Forward { to, .. } => Pending::Rollout(to),
            Rollout::Back { .. } => Pending::RollingBack(self.good),
        })
    }

    fn pending_slot(&self) -> Option<Pending> {
        self.wanted_slots()
            .find(|(_, slot)| !slot.live_of(self.good).any(Worker::serves))
            .map(|(id, _)| Pending::SlotNotReady(id))
    }

    fn pending_worker(&self) -> Option<Pending> {
        let worker = |condition: fn(&&Worker) -> bool| self.all_workers().find(condition);
        let going = worker(|worker| worker.is_going());
        let replaced = worker(|worker| worker.is_live() && worker.wants_successor());
        let replaced = replaced.map(|worker| Pending::Replacement(worker.id));
        replaced.or_else(|| going.map(|worker| Pending::Draining(worker.id)))
    }
}
