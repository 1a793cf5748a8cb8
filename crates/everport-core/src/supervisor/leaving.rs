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

    /// Tells every worker once, whether it was there before the stop was asked for or is since. One that boots
    /// is told before it serves, so that no client takes it for one that stays.
    pub(super) fn announce_leaving(&mut self) {
        let Phase::Leaving { until } = self.phase else {
            return;
        };
        let delay = until - self.now;
        let workers = self.slots.values_mut().flat_map(Slot::workers_mut);
        let untold =
            |worker: &&mut Worker| worker.is_live() && worker.spawn_answered && !worker.announced;
        for worker in workers.filter(untold) {
            worker.announced = true;
            let worker = worker.id;
            self.actions
                .push_back(Action::AnnounceLeaving { worker, delay });
        }
    }
}
