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
    Back { since: Timestamp, slots: u32 },
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
            self.notices.push_back(Notice::RestartRefused);
        } else if self.rollout.is_some() {
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

    /// The generation that the rollout, or the way back, has brought every slot to, if it has.
    pub(super) fn arrived_at(&self) -> Option<Generation> {
        let good = self.good;
        let (aim, over) = match self.rollout? {
            Rollout::Forward { to, .. } => (to, self.all_slots(|slot| slot.has_moved_to(to))),
            Rollout::Back { .. } => (good, self.all_slots(|slot| has_returned(slot, good))),
        };
        over.then_some(aim)
    }

    /// Ends the rollout if it is over and starts the one that was remembered. Says whether it ended.
    pub(super) fn conclude_rollout(&mut self) -> bool {
        if let Some(generation) = self.arrived_at() {
            self.arrive(generation);
        } else if self.gives_way() {
            self.rollout = None;
        } else {
            return false;
        }
        if core::mem::take(&mut self.restart_remembered) {
            self.start_rollout();
        }
        true
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
        let moved = u32::try_from(moved).unwrap_or(u32::MAX);
        let since = self.now;
        self.rollout = Some(Rollout::Back {
            since,
            slots: moved,
        });
        self.notices.push_back(Notice::RolloutAborted {
            generation: to,
            back_to: self.good,
            slot,
            worker,
            cause,
            moved,
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

    fn arrive(&mut self, generation: Generation) {
        self.close_ports_without(generation);
        match self.rollout.take() {
            Some(Rollout::Forward { since, .. }) => {
                self.good = generation;
                self.forgive_everything();
                let took = self.now - since;
                self.notices
                    .push_back(Notice::RolloutFinished { generation, took });
            }
            Some(Rollout::Back { since, slots }) => {
                let took = self.now - since;
                self.notices.push_back(Notice::RolledBack {
                    generation,
                    took,
                    slots,
                });
            }
            None => {}
        }
    }

    /// What the old generation did is not the new one's fault.
    fn forgive_everything(&mut self) {
        for (id, slot) in &mut self.slots {
            slot.forgive();
            slot.retry_at = None;
            self.timers.clear(Timer::Retry(*id));
        }
    }

    /// Whether the way back stands in the way of a restart that was asked for since. It never fails, but
    /// the old generation may keep failing where the one that was given up still serves; then only the
    /// next one can help.
    fn gives_way(&self) -> bool {
        let good = self.good;
        let hopeless = |slot: &Slot| has_returned(slot, good) || slot.is_backing_off();
        let returning = matches!(self.rollout, Some(Rollout::Back { .. }));
        returning && self.restart_remembered && self.all_slots(hopeless)
    }

    pub(super) fn all_slots(&self, condition: impl Fn(&Slot) -> bool) -> bool {
        self.wanted_slots().all(|(_, slot)| condition(slot))
    }
}

/// Whether a slot no longer holds up the way back: it runs the good generation, or is left to its
/// back-off without a worker of another one.
fn has_returned(slot: &Slot, good: Generation) -> bool {
    let strayed = slot.live_beside(good).next().is_some();
    slot.runs_only(good) || (!strayed && slot.is_backing_off())
}
