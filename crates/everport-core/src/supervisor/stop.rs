//! The end of the cluster: graceful, forced, or because it never got ready.

use alloc::vec::Vec;

use super::timers::Timer;
use super::worker::Worker;
use super::{Phase, Supervisor};
use crate::{Action, DrainReason, ExitReason, Notice, WorkerId, WorkerState};

impl Supervisor {
    /// Drains every worker, latest first. Without effect once the cluster is ending anyway.
    pub(super) fn stop(&mut self, reason: ExitReason) {
        if !self.phase.supervises() {
            return;
        }
        self.begin_to_end(reason);
        let live: Vec<WorkerId> = self.homes.keys().rev().copied().collect();
        for worker in live {
            if self.worker(worker).is_some_and(Worker::is_live) {
                self.retire(worker, DrainReason::Stop);
            }
        }
        self.tell_retired();
    }

    /// Kills every worker. Without effect when everything has been killed for this reason already.
    pub(super) fn kill_all(&mut self, reason: ExitReason) {
        if self.phase == Phase::Stopping(reason) {
            return;
        }
        self.begin_to_end(reason);
        let all: Vec<WorkerId> = self.homes.keys().rev().copied().collect();
        for worker in all {
            if self
                .worker(worker)
                .is_some_and(|known| known.state != WorkerState::Killed)
            {
                self.kill(worker);
            }
        }
    }

    /// Nobody was ever ready and every slot has used up its attempts. A rollout is given its chance.
    pub(super) fn give_up_if_never_ready(&mut self) {
        if self.ever_ready || self.rollout_to().is_some() {
            return;
        }
        let attempts = self.policy.attempts_until_never_ready.max(1);
        if self
            .wanted_slots()
            .all(|(_, slot)| slot.failures >= attempts)
        {
            self.kill_all(ExitReason::NeverReady);
        }
    }

    pub(super) fn exit_if_over(&mut self) {
        if let Phase::Stopping(reason) = self.phase
            && self.homes.is_empty()
        {
            self.phase = Phase::Exited;
            self.timers.clear_all();
            self.actions.push_back(Action::Exit { reason });
        }
    }

    fn begin_to_end(&mut self, reason: ExitReason) {
        self.phase = Phase::Stopping(reason);
        self.rollout = None;
        self.restart_remembered = false;
        self.clear_retries();
        self.timers.clear(Timer::DrainDelay);
        self.notices.push_back(Notice::Stopping { reason });
    }

    fn clear_retries(&mut self) {
        for id in self.slots.keys() {
            self.timers.clear(Timer::Retry(*id));
        }
    }
}
