//! What happens when a timer's deadline has come.

use super::Supervisor;
use super::timers::Timer;
use crate::{AbortCause, ExitReason, Notice, ReplaceCause, WorkerId};

impl Supervisor {
    pub(super) fn on_deadline(&mut self, timer: Timer) {
        match timer {
            Timer::Boot(worker) => self.give_up_new(worker),
            Timer::Settle(worker) => self.on_settled(worker),
            Timer::Suspended(worker) => self.on_suspended_too_long(worker),
            Timer::Hang(worker) => self.on_silent_too_long(worker),
            Timer::Forgive(worker) => self.on_forgiven(worker),
            Timer::Lifetime(worker) => self.want_successor(worker, ReplaceCause::Lifetime),
            Timer::Drain(worker) => self.on_drain_timed_out(worker),
            Timer::DrainDelay => self.stop(ExitReason::Stopped),
            // That the slot may be filled again is all there is to it: `reconcile` sees it.
            Timer::Retry(_) => {}
        }
    }

    /// Kills a new worker that has used up its time.
    pub(super) fn give_up_new(&mut self, worker: WorkerId) {
        if let Some(slot) = self.homes.get(&worker).copied() {
            self.notices.push_back(Notice::BootTimedOut {
                worker,
                slot,
                timeout: self.policy.boot_timeout,
            });
        }
        self.kill_as_failed(worker, AbortCause::BootTimedOut);
    }

    fn on_forgiven(&mut self, id: WorkerId) {
        let good = self.good;
        if self
            .worker(id)
            .is_some_and(|worker| worker.generation == good)
            && let Some(slot) = self.homes.get(&id)
            && let Some(slot) = self.slots.get_mut(slot)
        {
            slot.forgive();
        }
    }

    fn on_drain_timed_out(&mut self, worker: WorkerId) {
        if let Some(slot) = self.homes.get(&worker).copied() {
            self.notices.push_back(Notice::DrainTimedOut {
                worker,
                slot,
                timeout: self.policy.drain_timeout,
            });
        }
        self.kill(worker);
    }
}
