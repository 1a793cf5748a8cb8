//! What workers do: be born, become ready, leave and die.

use super::Supervisor;
use super::timers::Timer;
use super::worker::Worker;
use crate::{AbortCause, Action, CrashLoop, ExitReason, Notice, SlotId, WorkerId, WorkerState};

impl Supervisor {
    /// Its time to get ready begins only now: the shell may have had many others to start before it, and answers in any case.
    pub(super) fn on_spawned(&mut self, id: WorkerId) {
        let (now, timeout) = (self.now, self.policy.boot_timeout);
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        if worker.spawn_answered {
            return;
        }
        worker.spawn_answered = true;
        match worker.state {
            WorkerState::Spawning => {
                worker.state = WorkerState::Booting;
                worker.spawned_at = now;
                self.timers.set(Timer::Boot(id), now + timeout);
            }
            // It was killed before it existed; only now is there something to kill.
            _ => self.actions.push_back(Action::Kill { worker: id }),
        }
    }

    pub(super) fn on_spawn_failed(&mut self, id: WorkerId) {
        if self.worker(id).is_some_and(|worker| !worker.spawn_answered) {
            self.on_gone(id);
        }
    }

    pub(super) fn on_exited(&mut self, id: WorkerId) {
        self.on_gone(id);
    }

    pub(super) fn on_ready(&mut self, id: WorkerId) {
        let now = self.now;
        let Some(slot) = self.homes.get(&id).copied() else {
            return;
        };
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        if worker.is_ready() || worker.is_going() {
            return;
        }
        worker.spawn_answered = true;
        worker.state = WorkerState::Ready;
        worker.ready_at = Some(now);
        let generation = worker.generation;
        let boot = now - worker.spawned_at;
        self.ever_ready = true;
        self.timers.clear(Timer::Boot(id));
        let forgive_at = now + self.policy.backoff.reset_after;
        self.timers.set(Timer::Forgive(id), forgive_at);
        self.begin_to_settle(id);
        self.limit_silence(id);
        self.limit_lifetime(id);
        self.notices.push_back(Notice::WorkerReady {
            worker: id,
            slot,
            generation,
            boot,
        });
    }

    /// A worker leaves by itself. A ready one has the drain timeout to finish in; one that was never
    /// ready has nothing to finish and can no longer become ready.
    pub(super) fn on_leaving(&mut self, id: WorkerId) {
        let Some(worker) = self.worker(id) else {
            return;
        };
        match worker.state {
            WorkerState::Draining | WorkerState::Killed => {}
            WorkerState::Spawning | WorkerState::Booting => {
                self.kill_as_failed(id, AbortCause::DiedBooting);
            }
            WorkerState::Ready => self.on_ready_leaving(id),
        }
    }

    /// Kills a worker that did not get ready, or did not settle. Its slot counts the failure once it is gone.
    pub(super) fn kill_as_failed(&mut self, id: WorkerId, cause: AbortCause) {
        if let Some(worker) = self.worker_mut(id) {
            worker.failed = true;
        }
        self.kill(id);
        self.abort_if_new(id, cause);
    }

    pub(super) fn kill(&mut self, id: WorkerId) {
        if let Some(worker) = self.worker_mut(id) {
            worker.state = WorkerState::Killed;
            self.timers.clear_worker(id);
            self.actions.push_back(Action::Kill { worker: id });
        }
    }

    fn on_ready_leaving(&mut self, id: WorkerId) {
        let now = self.now;
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        worker.state = WorkerState::Draining;
        let ready_for = worker.ready_at.map(|since| now - since).unwrap_or_default();
        let generation = worker.generation;
        self.timers.clear_worker(id);
        self.timers
            .set(Timer::Drain(id), now + self.policy.drain_timeout);
        if self.abort_if_new(id, AbortCause::DiedReady) || generation != self.good {
            return;
        }
        // Workers that leave as soon as they are there must not make the slot spin.
        if ready_for < self.policy.backoff.reset_after
            && let Some(slot) = self.homes.get(&id).copied()
        {
            self.count_failure(slot);
        }
    }

    fn on_gone(&mut self, id: WorkerId) {
        let Some(worker) = self.worker(id) else {
            return;
        };
        let unexpected = worker.is_live();
        let counts = (unexpected || worker.failed) && worker.generation == self.good;
        let cause = match (worker.state, worker.spawn_answered) {
            (WorkerState::Ready, _) => AbortCause::DiedReady,
            (_, true) => AbortCause::DiedBooting,
            (_, false) => AbortCause::SpawnFailed,
        };
        let new = self.new_worker(id).filter(|_| unexpected);
        let slot = self.homes.get(&id).copied();
        self.forget(id);
        if let Some(new) = new {
            self.abort(new, cause);
        } else if let Some(slot) = slot.filter(|_| counts) {
            self.count_failure(slot);
        }
    }

    pub(super) fn count_failure(&mut self, id: SlotId) {
        if !self.phase.supervises() || id.0 >= self.wanted {
            return;
        }
        let Some(slot) = self.slots.get_mut(&id) else {
            return;
        };
        slot.failures = slot.failures.saturating_add(1);
        let failures = slot.failures;
        let delay = self.policy.backoff.delay(failures, &mut self.jitter);
        slot.retry_at = Some(self.now + delay);
        let deaths = slot.deaths.record(self.now, &self.policy.budget);
        let lost = slot.deaths.is_looping() && !slot.live().any(Worker::is_ready);
        if let Some(deaths) = deaths {
            let period = self.policy.budget.period;
            self.notices.push_back(Notice::CrashLooping {
                slot: id,
                deaths,
                period,
            });
        }
        if lost && self.ever_ready && self.policy.crash_loop == CrashLoop::Exit {
            self.stop(ExitReason::CrashLoop);
        } else if !delay.is_zero() {
            self.timers.set(Timer::Retry(id), self.now + delay);
            self.notices.push_back(Notice::BackingOff {
                slot: id,
                failures,
                delay,
            });
        }
    }
}
