//! The time between a graceful stop and its drains, in which the workers learn what is to come.

use super::slot::Slot;
use super::timers::Timer;
use super::worker::Worker;
use super::{Phase, Supervisor};
use crate::{Action, ExitReason, Notice};

impl Supervisor {
    /// The drain delay is for clients that are to learn that the cluster leaves. Where no worker is ready, no
    /// client could: there it stops at once.
    pub(super) fn on_stop(&mut self) {
        if self.phase != Phase::Running {
            return;
        }
        let delay = self.policy.drain_delay;
        if delay.is_zero() || !self.all_workers().any(Worker::is_ready) {
            self.stop(ExitReason::Stopped);
            return;
        }
        let until = self.now + delay;
        self.phase = Phase::Leaving { until };
        self.restart_remembered = false;
        self.timers.set(Timer::DrainDelay, until);
        self.notices.push_back(Notice::Leaving { delay });
    }

    /// Tells every ready worker once, whether it was ready before the stop was asked for or is since. One that
    /// still boots does not serve, so nobody could learn from it.
    pub(super) fn announce_leaving(&mut self) {
        let Phase::Leaving { until } = self.phase else {
            return;
        };
        let delay = until - self.now;
        let workers = self.slots.values_mut().flat_map(Slot::workers_mut);
        for worker in workers.filter(|worker| worker.is_ready() && !worker.announced) {
            worker.announced = true;
            let worker = worker.id;
            self.actions
                .push_back(Action::AnnounceLeaving { worker, delay });
        }
    }
}
