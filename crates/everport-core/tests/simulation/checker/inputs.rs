//! What the checker learns from events.

use everport_core::{Generation, PortId, ReplaceCause, SlotId, WorkerId};

use super::Checker;
use crate::model::Seen;

impl Checker {
    /// The time to get ready begins when the worker exists.
    pub(super) fn spawned(&mut self, worker: WorkerId) {
        let now = self.model.now;
        self.seen(worker, |seen| {
            if !seen.exists {
                seen.exists = true;
                seen.spawned_at = now;
            }
        });
    }

    pub(super) fn listening(&mut self, worker: WorkerId, port: PortId) {
        if let Some(seen) = self.model.workers.get_mut(&worker)
            && seen.is_live()
        {
            seen.ports.insert(port);
            self.model.ports.entry(port).or_default();
        }
    }

    pub(super) fn released(&mut self, worker: WorkerId, port: PortId) {
        let Some(seen) = self.model.workers.get_mut(&worker) else {
            return;
        };
        let gave_back = seen.ports.remove(&port) && seen.is_live();
        let goes_on = self.model.stopping.is_none();
        if gave_back && goes_on && !self.is_asked_for(port) {
            self.given_back = Some(port);
        }
    }

    pub(super) fn ready(&mut self, worker: WorkerId) {
        let now = self.model.now;
        if let Some(seen) = self.model.workers.get_mut(&worker)
            && seen.is_live()
            && seen.ready_at.is_none()
        {
            seen.exists = true;
            seen.ready_at = Some(now);
            seen.steady_since = (!seen.suspended).then_some(now);
            seen.still_since = seen.suspended.then_some(now);
            seen.count_silence(now);
            self.model.ever_ready = true;
        }
    }

    pub(super) fn suspended(&mut self, worker: WorkerId) {
        let (now, settle) = (self.model.now, self.model.policy.settle);
        self.seen(worker, |seen| {
            if !seen.suspended && seen.ready_at.is_some() {
                seen.still_since = Some(now);
            }
            seen.suspended = true;
            seen.proven = seen.has_settled(now, settle);
            seen.steady_since = None;
            seen.quiet_since = None;
        });
    }

    pub(super) fn silent(&mut self, worker: WorkerId) {
        let (now, settle) = (self.model.now, self.model.policy.settle);
        self.seen(worker, |seen| {
            if !seen.silent {
                seen.proven = seen.has_settled(now, settle);
                seen.silent = true;
                seen.count_silence(now);
            }
        });
    }

    pub(super) fn heard(&mut self, worker: WorkerId) {
        self.seen(worker, |seen| {
            seen.silent = false;
            seen.quiet_since = None;
        });
    }

    /// A request for a successor; the first cause counts.
    pub(super) fn asked(&mut self, worker: WorkerId, cause: ReplaceCause) {
        let now = self.model.now;
        self.seen(worker, |seen| {
            if seen.is_live() {
                seen.asked.get_or_insert((cause, now));
            }
        });
    }

    /// A stop waits for the drain delay if there is somebody who can be told.
    pub(super) fn stop_asked(&mut self) {
        let model = &mut self.model;
        if model.stopping.is_some() || model.leaving.is_some() {
            return;
        }
        let tells =
            !model.policy.drain_delay.is_zero() && model.workers.values().any(Seen::is_ready);
        model.leave_asked = tells;
        model.stop_asked = !tells;
    }

    pub(super) fn resumed(&mut self, worker: WorkerId) {
        let now = self.model.now;
        self.seen(worker, |seen| {
            let runs_again = core::mem::take(&mut seen.suspended);
            seen.still_since = None;
            if runs_again && seen.ready_at.is_some() {
                seen.steady_since = Some(now);
                seen.count_silence(now);
            }
        });
    }

    pub(super) fn leaving(&mut self, worker: WorkerId) {
        let now = self.model.now;
        let policy = self.model.policy;
        let Some(seen) = self
            .model
            .workers
            .get_mut(&worker)
            .filter(|seen| seen.is_live())
        else {
            return;
        };
        seen.left = true;
        if let Some(ready_at) = seen.ready_at {
            seen.drain_deadline = Some(now + policy.drain_timeout);
            let (slot, generation) = (seen.slot, seen.generation);
            let early = now - ready_at < policy.backoff.reset_after;
            self.lost(worker, slot, generation, early);
        } else {
            seen.failed = true;
            let generation = seen.generation;
            if Some(generation) == self.model.to {
                self.model.fatal = Some(worker);
            }
        }
    }

    pub(super) fn gone(&mut self, worker: WorkerId) {
        let Some(seen) = self.model.workers.remove(&worker) else {
            return;
        };
        if seen.is_live() {
            self.lost(worker, seen.slot, seen.generation, true);
        } else if seen.failed && seen.generation == self.model.good {
            self.model.fail(seen.slot);
        }
    }

    pub(super) fn lost(
        &mut self,
        worker: WorkerId,
        slot: SlotId,
        generation: Generation,
        counts: bool,
    ) {
        if Some(generation) == self.model.to {
            self.model.fatal = Some(worker);
        } else if generation == self.model.good && counts {
            self.model.fail(slot);
        }
    }
}
