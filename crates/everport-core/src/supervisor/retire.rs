//! Which workers are told to drain, and that they stop being steered to before they are told.

use alloc::vec::Vec;

use super::Supervisor;
use super::slot::Slot;
use super::timers::Timer;
use super::worker::Worker;
use crate::{Action, DrainReason, Generation, Notice, WorkerId, WorkerState};

impl Supervisor {
    /// Workers whose place another one has taken, at most one per slot at a time.
    pub(super) fn retire_superseded(&mut self) {
        let (good, to) = (self.good, self.rollout_to());
        let superseded: Vec<_> = self
            .wanted_slots()
            .filter(|(_, slot)| slot.going() == 0)
            .filter_map(|(_, slot)| superseded(slot, good, to))
            .collect();
        for (worker, reason) in superseded {
            self.retire(worker, reason);
        }
    }

    /// Workers of slots that are no longer wanted, the highest first; the last ready worker of the
    /// cluster stays until another one is ready.
    pub(super) fn retire_removed(&mut self) {
        let removed: Vec<WorkerId> = self
            .slots
            .range(crate::SlotId(self.wanted)..)
            .rev()
            .filter(|(_, slot)| slot.going() == 0)
            .filter_map(|(_, slot)| slot.live().next())
            .map(|worker| worker.id)
            .collect();
        for id in removed {
            let ready = self.worker(id).is_some_and(Worker::is_ready);
            let another_serves = self
                .all_workers()
                .any(|other| other.id != id && other.serves());
            if !ready || another_serves {
                self.retire(id, DrainReason::ScaleDown);
            }
        }
    }

    /// Marks a worker as draining. It is told by `tell_retired`; until then more can be marked, so that
    /// one steering is enough for all. One whose process does not exist yet cannot drain: it is killed.
    pub(super) fn retire(&mut self, id: WorkerId, reason: DrainReason) {
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        if worker.state == WorkerState::Spawning {
            self.kill(id);
            return;
        }
        worker.state = WorkerState::Draining;
        self.timers.clear_worker(id);
        self.timers
            .set(Timer::Drain(id), self.now + self.policy.drain_timeout);
        self.to_tell.push((id, reason));
    }

    /// Tells every marked worker to drain, after new connections have been steered away from it.
    pub(super) fn tell_retired(&mut self) {
        if self.to_tell.is_empty() {
            return;
        }
        // These may be the last of the rollout. A port that goes with them has to be emptied while its
        // workers still accept.
        if let Some(generation) = self.arrived_at() {
            self.close_ports_without(generation);
        }
        self.steer();
        for (worker, reason) in core::mem::take(&mut self.to_tell) {
            if let Some(slot) = self.homes.get(&worker).copied() {
                self.notices.push_back(Notice::Draining {
                    worker,
                    slot,
                    reason,
                });
            }
            self.actions.push_back(Action::Drain {
                worker,
                reason,
                timeout: self.policy.drain_timeout,
            });
        }
    }
}

/// The first worker of a slot that is no longer needed there.
fn superseded(
    slot: &Slot,
    good: Generation,
    to: Option<Generation>,
) -> Option<(WorkerId, DrainReason)> {
    let taken = to.filter(|to| slot.is_taken_by(*to));
    let aim = taken.unwrap_or(good);
    let successor = slot
        .live_of(aim)
        .filter(|worker| worker.can_take_over())
        .last();
    let stray = |worker: &Worker| {
        successor.is_some() || (taken.is_none() && is_useless_stray(slot, aim, worker))
    };
    slot.live().rev().find_map(|worker| {
        if worker.generation != aim {
            stray(worker).then_some((worker.id, DrainReason::Rollout))
        } else {
            let newer = successor.is_some_and(|successor| successor.id > worker.id);
            (newer && worker.wants_successor()).then_some((worker.id, DrainReason::Replaced))
        }
    })
}

/// Whether a worker of a generation that was given up is of no use until a good one is there: it serves
/// nobody yet, or another one that was given up serves the slot as well. That happens when one rollout
/// after the other is aborted in a slot that never got back to the good generation.
fn is_useless_stray(slot: &Slot, good: Generation, worker: &Worker) -> bool {
    let mut others = slot.live_beside(good).filter(|other| other.id != worker.id);
    !worker.is_ready() || others.any(Worker::can_take_over)
}
