//! How a new worker proves that it can be relied on, and what a pause of it means for that.

use super::Supervisor;
use super::timers::Timer;
use super::worker::Worker;
use crate::WorkerId;

impl Supervisor {
    /// Lets a ready worker settle, from the beginning. One that does not run has a deadline instead.
    pub(super) fn begin_to_settle(&mut self, id: WorkerId) {
        let settle = self.policy.settle;
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        if worker.suspended {
            self.limit_suspension(id);
        } else if worker.is_ready() && !worker.settled {
            if settle.is_zero() {
                self.on_settled(id);
            } else {
                self.timers.set(Timer::Settle(id), self.now + settle);
            }
        }
    }

    /// Unlike a pause, a silence does not start it anew: on a machine with too much to do, workers fall
    /// silent for moments again and again. But nobody relies on a worker while it is silent.
    pub(super) fn on_settled(&mut self, id: WorkerId) {
        if let Some(worker) = self.worker_mut(id) {
            worker.settled = !worker.is_silent();
            worker.settles_when_heard = worker.is_silent();
        }
    }

    /// Said twice it is still one pause, with one deadline.
    pub(super) fn on_suspended(&mut self, id: WorkerId) {
        let Some(worker) = self.worker_mut(id).filter(|worker| !worker.suspended) else {
            return;
        };
        worker.suspended = true;
        // It had stayed ready for long enough; only the turn at that deadline has yet to come.
        if self.timers.take_expired(Timer::Settle(id), self.now) {
            self.on_settled(id);
        }
        self.timers.clear(Timer::Settle(id));
        self.pause_silence(id);
        self.limit_suspension(id);
    }

    pub(super) fn on_resumed(&mut self, id: WorkerId) {
        let Some(worker) = self.worker_mut(id).filter(|worker| worker.suspended) else {
            return;
        };
        worker.suspended = false;
        self.timers.clear(Timer::Suspended(id));
        self.begin_to_settle(id);
        self.limit_silence(id);
    }

    /// A pause that nobody waits for any more is nobody's business.
    pub(super) fn on_suspended_too_long(&mut self, id: WorkerId) {
        if self.is_on_trial(id) {
            self.give_up_new(id);
        }
    }

    fn limit_suspension(&mut self, id: WorkerId) {
        if self.is_on_trial(id) {
            let deadline = self.now + self.policy.boot_timeout;
            self.timers.set(Timer::Suspended(id), deadline);
        }
    }

    /// Whether a ready worker has yet to be relied on: it has not settled, or it has while its slot's
    /// predecessors were not all told to go, and the rollout waits for it. One that boots has its own
    /// deadline.
    pub(super) fn is_on_trial(&self, id: WorkerId) -> bool {
        let Some(worker) = self.worker(id).filter(|worker| worker.is_ready()) else {
            return false;
        };
        !worker.settled || self.has_yet_to_take_over(worker)
    }

    fn has_yet_to_take_over(&self, worker: &Worker) -> bool {
        let to = self.rollout_to();
        let slot = self.homes.get(&worker.id).and_then(|id| self.slots.get(id));
        to == Some(worker.generation)
            && slot.is_some_and(|slot| slot.live_beside(worker.generation).next().is_some())
    }
}
