//! Rollouts: their start, their end, and the way back.

use super::slot::Slot;
use super::timers::Timer;
use super::{Phase, Supervisor};
use crate::{AbortCause, Generation, Notice, SlotId, Timestamp, WorkerId};

/// What is under way. How far it has got is not kept: the slots' workers tell.
#[derive(Debug, Clone, Copy)]
pub(super) enum Rollout {
    /// To this generation.
    Forward { to: Generation, since: Timestamp },
    /// Back to the good one.
    Back { since: Timestamp },
}

/// A worker of the generation being rolled out.
#[derive(Debug, Clone, Copy)]
pub(super) struct NewWorker {
    worker: WorkerId,
    slot: SlotId,
    to: Generation,
}

impl Supervisor {
    pub(super) fn on_restart(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        if self.rollout.is_some() {
            self.restart_remembered = true;
            self.notices.push_back(Notice::RestartCoalesced);
        } else {
            self.start_rollout();
        }
    }

    /// The generation being rolled out, unless on the way back.
    pub(super) fn rollout_to(&self) -> Option<Generation> {
        match self.rollout {
            Some(Rollout::Forward { to, .. }) => Some(to),
            _ => None,
        }
    }

    pub(super) fn all_moved_to(&self, to: Generation) -> bool {
        self.wanted_slots().all(|(_, slot)| slot.has_moved_to(to))
    }

    /// Ends the rollout if it is over and starts the one that was remembered. Says whether it ended.
    pub(super) fn conclude_rollout(&mut self) -> bool {
        let over = match self.rollout {
            None => false,
            Some(Rollout::Forward { to, since }) => self.finish(to, since),
            Some(Rollout::Back { since }) => self.finish_return(since),
        };
        if over && core::mem::take(&mut self.restart_remembered) {
            self.start_rollout();
        }
        over
    }

    pub(super) fn new_worker(&self, worker: WorkerId) -> Option<NewWorker> {
        let to = self.rollout_to()?;
        let slot = *self.homes.get(&worker)?;
        let is_new = self.worker(worker)?.generation == to;
        is_new.then_some(NewWorker { worker, slot, to })
    }

    /// Aborts the rollout if this worker, which no longer counts as live, belongs to it.
    pub(super) fn abort_if_new(&mut self, worker: WorkerId, cause: AbortCause) -> bool {
        let new = self.new_worker(worker);
        if let Some(new) = new {
            self.abort(new, cause);
        }
        new.is_some()
    }

    pub(super) fn abort(&mut self, failed: NewWorker, cause: AbortCause) {
        let NewWorker { worker, slot, to } = failed;
        let held_alone = |(id, home): (SlotId, &Slot)| {
            home.live_beside(to).next().is_none() && (id == slot || home.is_taken_by(to))
        };
        let moved = self
            .wanted_slots()
            .filter(|entry| held_alone(*entry))
            .count();
        self.rollout = Some(Rollout::Back { since: self.now });
        self.notices.push_back(Notice::RolloutAborted {
            generation: to,
            back_to: self.good,
            slot,
            worker,
            cause,
            moved: u32::try_from(moved).unwrap_or(u32::MAX),
        });
    }

    fn start_rollout(&mut self) {
        self.last_generation += 1;
        let to = Generation(self.last_generation);
        let since = self.now;
        self.rollout = Some(Rollout::Forward { to, since });
        self.notices.push_back(Notice::RolloutStarted {
            generation: to,
            from: self.good,
        });
    }

    fn finish(&mut self, to: Generation, since: Timestamp) -> bool {
        if !self.all_moved_to(to) {
            return false;
        }
        self.close_ports_without(to);
        self.good = to;
        self.rollout = None;
        for (id, slot) in &mut self.slots {
            // What the old generation did is not the new one's fault.
            slot.forgive();
            slot.retry_at = None;
            self.timers.clear(Timer::Retry(*id));
        }
        self.notices.push_back(Notice::RolloutFinished {
            generation: to,
            took: self.now - since,
        });
        true
    }

    /// The way back never fails, but a slot that keeps failing must not hold up what was asked for
    /// since: such a slot is left to its back-off, and a remembered restart takes it from there.
    fn finish_return(&mut self, since: Timestamp) -> bool {
        let good = self.good;
        let returned = |slot: &Slot| {
            let strayed = slot.live_beside(good).next().is_some();
            slot.runs_only(good) || (!strayed && slot.is_backing_off())
        };
        if self.wanted_slots().all(|(_, slot)| returned(slot)) {
            self.close_ports_without(good);
            self.rollout = None;
            self.notices.push_back(Notice::RolledBack {
                generation: good,
                took: self.now - since,
            });
            return true;
        }
        let given_up = |slot: &Slot| returned(slot) || slot.is_backing_off();
        let give_way =
            self.restart_remembered && self.wanted_slots().all(|(_, slot)| given_up(slot));
        if give_way {
            self.rollout = None;
        }
        give_way
    }
}
