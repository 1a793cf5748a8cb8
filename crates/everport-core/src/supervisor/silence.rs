//! Workers that do not answer, and for how long that is borne.

use core::time::Duration;

use super::Supervisor;
use super::timers::Timer;
use super::worker::Worker;
use crate::{AbortCause, Notice, SlotId, Timestamp, WorkerId};

impl Supervisor {
    /// Said twice it is still one silence, with one deadline.
    pub(super) fn on_silent(&mut self, id: WorkerId) {
        let now = self.now;
        if self.worker(id).is_some_and(Worker::is_silent) {
            return;
        }
        // It had stayed ready for long enough; only the turn at that deadline has yet to come.
        if self.timers.take_expired(Timer::Settle(id), now) {
            self.on_settled(id);
        }
        if let Some(worker) = self.worker_mut(id) {
            worker.silent_since = Some(now);
        }
        self.limit_silence(id);
    }

    pub(super) fn on_heard(&mut self, id: WorkerId) {
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        worker.silent_since = None;
        worker.settled |= core::mem::take(&mut worker.settles_when_heard);
        self.timers.clear(Timer::Hang(id));
    }

    /// Counts a silence from now on, if the worker is one that has to answer: it is ready and runs.
    pub(super) fn limit_silence(&mut self, id: WorkerId) {
        let now = self.now;
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        if !worker.is_silent() || !worker.is_ready() || worker.suspended {
            return;
        }
        worker.silent_since = Some(now);
        self.set_hang(id, now);
    }

    /// A worker that is stopped cannot answer: that is the business of the pause's deadline, if it has one.
    pub(super) fn pause_silence(&mut self, id: WorkerId) {
        self.timers.clear(Timer::Hang(id));
        if let Some(worker) = self.worker_mut(id) {
            worker.settles_when_heard = false;
        }
    }

    /// A worker that nobody waits for any more since its silence began has as long as any other.
    pub(super) fn on_silent_too_long(&mut self, id: WorkerId) {
        let since = self.worker(id).and_then(|worker| worker.silent_since);
        let (Some(since), Some(timeout)) = (since, self.longest_silence(id)) else {
            return;
        };
        if self.now - since < timeout {
            self.set_hang(id, since);
        } else if let Some(slot) = self.homes.get(&id).copied() {
            self.give_up_hung(id, slot, timeout);
        }
    }

    fn set_hang(&mut self, id: WorkerId, since: Timestamp) {
        if let Some(timeout) = self.longest_silence(id) {
            self.timers.set(Timer::Hang(id), since + timeout);
        }
    }

    /// How long a ready worker may be silent. Others wait for one on trial, so that one always has a limit.
    fn longest_silence(&self, id: WorkerId) -> Option<Duration> {
        let hang = Some(self.policy.hang_timeout).filter(|timeout| !timeout.is_zero());
        let boot = Some(self.policy.boot_timeout).filter(|_| self.is_on_trial(id));
        hang.into_iter().chain(boot).min()
    }

    /// A settled worker's end counts at once, like a crash: its slot does not wait until it is gone.
    fn give_up_hung(&mut self, worker: WorkerId, slot: SlotId, timeout: Duration) {
        self.notices.push_back(Notice::HangTimedOut {
            worker,
            slot,
            timeout,
        });
        if self.is_on_trial(worker) {
            self.kill_as_failed(worker, AbortCause::Hung);
            return;
        }
        let good = self
            .worker(worker)
            .is_some_and(|known| known.generation == self.good);
        self.kill(worker);
        if !self.abort_if_new(worker, AbortCause::Hung) && good {
            self.count_failure(slot);
        }
    }
}
