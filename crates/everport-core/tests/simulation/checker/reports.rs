//! Whether notices tell the truth, and what the checker learns from them.

use everport_core::{CrashLoop, ExitReason, Generation, SlotId, WorkerId};

use super::{Checker, all_attempts_used};
use crate::model::Seen;

impl Checker {
    pub(super) fn rollout_started(&mut self, generation: Generation, from: Generation) {
        assert!(self.model.restart_remembered, "a rollout nobody asked for");
        assert!(self.model.to.is_none(), "two rollouts at once");
        assert!(
            generation > self.model.last_generation,
            "a generation used twice"
        );
        assert_eq!(from, self.model.good, "from the wrong generation");
        self.model.restart_remembered = false;
        self.model.returning = false;
        self.model.last_generation = generation;
        self.model.to = Some(generation);
    }

    pub(super) fn rollout_finished(&mut self, generation: Generation) {
        assert_eq!(
            self.model.to.take(),
            Some(generation),
            "finished what did not run"
        );
        for slot in 0..self.model.wanted {
            let slot = SlotId(slot);
            let ready = |seen: &Seen| seen.is_ready() && seen.generation == generation;
            assert!(
                self.model.live_in(slot).any(ready),
                "finished without slot {slot}"
            );
        }
        self.model.good = generation;
        self.rollout_ended = true;
        for past in self.model.slots.values_mut() {
            *past = Default::default();
        }
    }

    pub(super) fn rolled_back(&mut self, generation: Generation) {
        assert!(self.model.returning, "rolled back what was not aborted");
        assert_eq!(
            generation, self.model.good,
            "rolled back to the wrong generation"
        );
        self.model.returning = false;
        self.rollout_ended = true;
    }

    pub(super) fn boot_timed_out(&mut self, worker: WorkerId) {
        let seen = &self.model.workers[&worker];
        assert!(seen.is_live(), "worker {worker} is on its way out");
        let deadline = seen.spawned_at + self.model.policy.boot_timeout;
        let boots_too_long = seen.ready_at.is_none() && deadline <= self.model.now;
        assert!(
            boots_too_long || self.model.stood_still_too_long(seen),
            "worker {worker} had time left, or nobody waits for it"
        );
        let generation = seen.generation;
        self.seen(worker, |seen| seen.failed = true);
        if Some(generation) == self.model.to {
            self.model.fatal = Some(worker);
        }
    }

    pub(super) fn backing_off(&mut self, slot: SlotId, failures: u32, delay: core::time::Duration) {
        let now = self.model.now;
        let nominal = self.model.nominal_delay(failures);
        let past = self.model.slots.entry(slot).or_default();
        assert!(
            core::mem::take(&mut past.unannounced),
            "backs off without a failure"
        );
        assert_eq!(
            failures, past.failures,
            "slot {slot} has another number of failures"
        );
        assert!(
            delay <= nominal && delay >= nominal / 2,
            "{delay:?} is not within {nominal:?}"
        );
        past.retry_at = Some(now + delay);
    }

    pub(super) fn stopping(&mut self, reason: ExitReason) {
        let model = &mut self.model;
        let justified = match reason {
            ExitReason::Stopped => model.stop_asked,
            ExitReason::Forced => model.force_asked,
            ExitReason::NeverReady => {
                !model.ever_ready && model.to.is_none() && all_attempts_used(model)
            }
            ExitReason::CrashLoop => {
                let looping = model.slots.values().any(|past| past.looping);
                looping && model.ever_ready && model.policy.crash_loop == CrashLoop::Exit
            }
        };
        assert!(justified, "nothing justifies {reason:?}");
        model.stopping = Some(reason);
        model.to = None;
        model.returning = false;
        model.fatal = None;
    }
}
