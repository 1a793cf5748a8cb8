//! Whether notices tell the truth, and what the checker learns from them.

use std::time::Duration;

use everport_core::{CrashLoop, ExitReason, Generation, ReplaceCause, SlotId, WorkerId};

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

    pub(super) fn rollout_aborted(
        &mut self,
        generation: Generation,
        back_to: Generation,
        worker: WorkerId,
    ) {
        let model = &mut self.model;
        assert_eq!(model.to, Some(generation), "aborted what did not run");
        assert_eq!(back_to, model.good, "back to the wrong generation");
        assert_eq!(model.fatal.take(), Some(worker), "aborted without a reason");
        model.to = None;
        model.returning = true;
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
        let boots_too_long = seen.exists && seen.ready_at.is_none() && deadline <= self.model.now;
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

    /// What is not relied on yet has failed like one that did not get ready; what is counts as a death now.
    pub(super) fn hang_timed_out(&mut self, worker: WorkerId, timeout: Duration) {
        let model = &self.model;
        let seen = &model.workers[&worker];
        assert!(
            seen.is_ready() && seen.silent && !seen.suspended,
            "worker {worker} is heard"
        );
        let hangs_at = model.hangs_at(seen);
        assert!(
            hangs_at.is_some_and(|moment| moment <= model.now),
            "worker {worker} had time left to answer"
        );
        assert_eq!(
            model.longest_silence(seen),
            Some(timeout),
            "it says another time"
        );
        let (slot, generation) = (seen.slot, seen.generation);
        let on_trial = model.is_on_trial(seen);
        self.seen(worker, |seen| {
            seen.failed = on_trial;
            seen.hung = true;
        });
        if Some(generation) == self.model.to {
            self.model.fatal = Some(worker);
        } else if !on_trial && generation == self.model.good {
            self.model.fail(slot);
        }
    }

    pub(super) fn leaving_began(&mut self, delay: Duration) {
        let model = &mut self.model;
        assert!(core::mem::take(&mut model.leave_asked), "it leaves unasked");
        assert_eq!(delay, model.policy.drain_delay, "it waits for another time");
        model.leaving = Some(model.now + delay);
        model.restart_remembered = false;
    }

    pub(super) fn announce(&mut self, worker: WorkerId, delay: Duration) {
        let model = &self.model;
        let seen = &model.workers[&worker];
        assert!(
            seen.is_live() && seen.exists,
            "worker {worker} cannot be told"
        );
        assert!(!seen.announced, "worker {worker} is told twice");
        let until = model.leaving.expect("the cluster leaves");
        assert_eq!(
            delay,
            until - model.now,
            "worker {worker} is told another time"
        );
        self.seen(worker, |seen| seen.announced = true);
    }

    pub(super) fn assert_announced(&self) {
        let model = &self.model;
        let mut untold = model
            .workers
            .values()
            .filter(|seen| seen.is_live() && seen.exists && !seen.announced);
        assert!(
            model.leaving.is_none() || untold.next().is_none(),
            "a worker does not know that the cluster leaves"
        );
    }

    pub(super) fn replacement_started(&mut self, worker: WorkerId, cause: ReplaceCause) {
        let model = &self.model;
        let seen = &model.workers[&worker];
        let justified = match (cause, seen.asked) {
            (ReplaceCause::Lifetime, None) => model.may_be_old(seen, model.now),
            // It was old before it asked.
            (ReplaceCause::Lifetime, Some((_, at))) => model.may_be_old(seen, at),
            (cause, asked) => asked.is_some_and(|(first, _)| first == cause),
        };
        assert!(
            justified,
            "nothing justifies replacing worker {worker}: {cause:?}"
        );
        let now = model.now;
        self.seen(worker, |seen| seen.asked = Some((cause, now)));
    }

    pub(super) fn backing_off(&mut self, slot: SlotId, failures: u32, delay: Duration) {
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
            ExitReason::Stopped => {
                model.stop_asked || model.leaving.is_some_and(|until| until <= model.now)
            }
            ExitReason::Forced => model.force_asked,
            ExitReason::NeverReady => {
                !model.ever_ready && model.to.is_none() && all_attempts_used(model)
            }
            ExitReason::CrashLoop => {
                let served = |slot: &SlotId| model.live_in(*slot).any(Seen::is_ready);
                let lost = model
                    .slots
                    .iter()
                    .any(|(slot, past)| past.looping && !served(slot));
                lost && model.ever_ready && model.policy.crash_loop == CrashLoop::Exit
            }
        };
        assert!(justified, "nothing justifies {reason:?}");
        model.stopping = Some(reason);
        model.leaving = None;
        model.to = None;
        model.returning = false;
        model.fatal = None;
    }
}
