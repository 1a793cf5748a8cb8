//! What must always hold, judged from inputs and outputs alone.

mod decisions;
mod inputs;
mod ports;
mod reports;

use everport_core::{Action, Event, Notice, Policy, PortId, SlotId, Timestamp, WorkerId};

use crate::model::{Model, Seen};

/// Asserts safety at every step. It has never seen the supervisor's inside.
pub(crate) struct Checker {
    model: Model,
    /// Within one step: a rollout ended, so ports may be closed.
    rollout_ended: bool,
    drained_for_rollout: bool,
    /// Within one step: the workers that were told to drain while the cluster goes on.
    told: Vec<WorkerId>,
    /// Within one step: the ports that were closed.
    closed: Vec<PortId>,
    /// Within one step: the port that its last live worker gave back and that has not been closed yet.
    given_back: Option<PortId>,
}

/// Where on its way to be relied on a worker is.
pub(crate) enum Trial {
    Boots,
    Settles,
    Waits,
}

impl Checker {
    pub(crate) fn new(policy: Policy, workers: u32, now: Timestamp) -> Self {
        let model = Model::new(policy, workers, now);
        Self {
            model,
            rollout_ended: false,
            drained_for_rollout: false,
            told: Vec::new(),
            closed: Vec::new(),
            given_back: None,
        }
    }

    pub(crate) fn before_event(&mut self, now: Timestamp, event: Event) {
        self.begin_step(now);
        if self.model.exited {
            return;
        }
        let goes_on = self.model.stopping.is_none() && self.model.leaving.is_none();
        match event {
            Event::Restart if goes_on => self.model.restart_remembered = true,
            Event::Scale { workers } if goes_on => self.model.want(workers),
            Event::Stop => self.stop_asked(),
            Event::ForceStop => self.model.force_asked = true,
            Event::Restart | Event::Scale { .. } => {}
            Event::Spawned { worker } => self.spawned(worker),
            Event::Listening { worker, port } => self.listening(worker, port),
            Event::Released { worker, port } => self.released(worker, port),
            Event::Ready { worker } => self.ready(worker),
            Event::ReplaceRequested { worker, cause } => self.asked(worker, cause),
            Event::Silent { worker } => self.silent(worker),
            Event::Heard { worker } => self.heard(worker),
            Event::Suspended { worker } => self.suspended(worker),
            Event::Resumed { worker } => self.resumed(worker),
            Event::Leaving { worker } => self.leaving(worker),
            Event::SpawnFailed { worker } => {
                if self
                    .model
                    .workers
                    .get(&worker)
                    .is_some_and(|seen| !seen.exists)
                {
                    self.gone(worker);
                }
            }
            Event::Exited { worker, .. } => self.gone(worker),
        }
    }

    pub(crate) fn before_timeout(&mut self, now: Timestamp) {
        self.begin_step(now);
        let good = self.model.good;
        let stayed: Vec<_> = self.model.stayed_ready().map(|seen| seen.id).collect();
        for worker in stayed {
            if let Some(seen) = self.model.workers.get_mut(&worker) {
                seen.forgiven = true;
                if seen.generation == good
                    && let Some(past) = self.model.slots.get_mut(&seen.slot)
                {
                    past.failures = 0;
                    past.deaths.clear();
                    past.looping = false;
                }
            }
        }
    }

    pub(crate) fn notice(&mut self, notice: Notice) {
        assert!(!self.model.exited, "a notice after the exit");
        match notice {
            Notice::RolloutStarted { generation, from } => self.rollout_started(generation, from),
            Notice::RolloutFinished { generation, .. } => self.rollout_finished(generation),
            Notice::RolloutAborted {
                generation,
                back_to,
                worker,
                ..
            } => self.rollout_aborted(generation, back_to, worker),
            Notice::RolledBack { generation, .. } => self.rolled_back(generation),
            Notice::BootTimedOut { worker, .. } => self.boot_timed_out(worker),
            Notice::DrainTimedOut { worker, .. } => {
                let deadline = self.model.workers[&worker].drain_deadline;
                assert!(
                    deadline.is_some_and(|deadline| deadline <= self.model.now),
                    "timed out early"
                );
            }
            Notice::BackingOff {
                slot,
                failures,
                delay,
            } => self.backing_off(slot, failures, delay),
            Notice::CrashLooping { slot, .. } => {
                let past = self.model.slots.get_mut(&slot);
                let unsaid = past.is_some_and(|past| core::mem::take(&mut past.unsaid));
                assert!(
                    unsaid,
                    "slot {slot} is within its budget, or it was said before"
                );
            }
            Notice::Stopping { reason } => self.stopping(reason),
            Notice::RestartCoalesced => {
                assert!(self.rollout_runs(), "coalesced with nothing");
                assert_eq!(self.model.leaving, None, "remembered while it leaves");
            }
            Notice::RestartRefused => {
                let ends = self.model.leaving.is_some() || self.model.stopping.is_some();
                assert!(ends, "refused without a stop");
            }
            Notice::ReplacementStarted { worker, cause, .. } => {
                self.replacement_started(worker, cause);
            }
            Notice::WorkerReady { worker, .. } => {
                assert!(
                    self.model.workers[&worker].ready_at.is_some(),
                    "never said ready"
                );
            }
            Notice::HangTimedOut {
                worker, timeout, ..
            } => self.hang_timed_out(worker, timeout),
            Notice::Leaving { delay } => self.leaving_began(delay),
            Notice::ClusterReady { .. } | Notice::Draining { .. } | Notice::Scaled { .. } => {}
        }
    }

    /// What a worker that is given up had yet to do.
    pub(crate) fn trial_of(&self, worker: WorkerId) -> Trial {
        let seen = &self.model.workers[&worker];
        if seen.ready_at.is_none() {
            Trial::Boots
        } else if seen.has_settled(self.model.now, self.model.policy.settle) {
            Trial::Waits
        } else {
            Trial::Settles
        }
    }

    pub(crate) fn action(&mut self, action: &Action) {
        assert!(!self.model.exited, "an action after the exit: {action:?}");
        match action {
            Action::Spawn {
                worker,
                slot,
                generation,
            } => self.spawn(*worker, *slot, *generation),
            Action::Drain { worker, reason, .. } => self.drain(*worker, *reason),
            Action::AnnounceLeaving { worker, delay } => self.announce(*worker, *delay),
            Action::Kill { worker } => self.kill(*worker),
            Action::Steer { port, serving } => self.steer(*port, serving),
            Action::ClosePort { port } => self.close_port(*port),
            Action::CloseSlot { slot } => {
                assert!(!self.model.is_wanted(*slot), "slot {slot} is wanted");
                assert_eq!(
                    self.model.in_slot(*slot).count(),
                    0,
                    "slot {slot} has workers"
                );
                assert!(
                    self.model.slots.remove(slot).is_some(),
                    "slot {slot} was closed before"
                );
            }
            Action::Exit { reason } => {
                assert!(self.model.workers.is_empty(), "workers are left behind");
                assert_eq!(
                    self.model.stopping,
                    Some(*reason),
                    "exits for another reason"
                );
                self.model.exited = true;
            }
        }
    }

    /// Everything the supervisor had to say about an input has been said.
    pub(crate) fn after_step(&mut self) {
        if self.model.exited {
            return;
        }
        self.assert_steered();
        self.assert_right_ports_closed();
        if self.model.stopping.is_some() {
            assert!(
                !self.model.workers.is_empty(),
                "nothing is left and it does not exit"
            );
            return;
        }
        assert!(
            !self.model.stop_asked && !self.model.leave_asked && !self.model.force_asked,
            "a stop was ignored"
        );
        self.assert_announced();
        self.assert_replaced(|seen| seen.asked.is_some());
        assert_eq!(
            self.model.fatal, None,
            "a failed new worker did not abort the rollout"
        );
        assert!(
            !self.model.restart_remembered || self.rollout_runs(),
            "a restart was forgotten"
        );
        self.assert_slots_filled();
        self.assert_strays_gone();
        self.assert_gives_up();
    }

    pub(crate) fn after_timeout(&self) {
        let (now, policy) = (self.model.now, self.model.policy);
        let overdue = self.model.leaving.is_some_and(|until| until <= now);
        assert!(!overdue, "the drain delay is over and nobody drains");
        if self.model.stopping.is_none() {
            self.assert_replaced(|seen| self.model.wants_successor(seen));
        }
        for seen in self.model.workers.values().filter(|seen| !seen.killed) {
            // One that began to drain in this very moment with no time at all is killed one turn later.
            let deadline = seen.drain_deadline;
            let late =
                deadline.is_some_and(|deadline| deadline <= now) && !policy.drain_timeout.is_zero();
            assert!(!late, "worker {} drains beyond its deadline", seen.id);
            let boots = seen.is_live() && seen.exists && seen.ready_at.is_none();
            let late = boots && seen.spawned_at + policy.boot_timeout <= now;
            assert!(!late, "worker {} boots beyond its deadline", seen.id);
            let late = self.model.stood_still_too_long(seen);
            assert!(!late, "worker {} is waited for for ever", seen.id);
            let hangs_at = self.model.hangs_at(seen);
            let late = hangs_at.is_some_and(|moment| moment <= now);
            assert!(!late, "worker {} is silent beyond its limit", seen.id);
        }
    }

    pub(crate) fn assert_converged(&self) {
        let model = &self.model;
        assert!(!self.rollout_runs(), "a rollout runs");
        assert_eq!(
            model.workers.len(),
            model.wanted as usize,
            "as many workers as asked for last"
        );
        assert_eq!(
            model.slots.len(),
            model.wanted as usize,
            "as many slots as asked for last"
        );
        assert!(
            self.every_slot_is_served(),
            "a slot has no ready worker of generation {}",
            model.good
        );
    }

    /// Whether every slot has a worker that serves, and no rollout runs.
    pub(crate) fn every_slot_is_served(&self) -> bool {
        let model = &self.model;
        let served = |slot: SlotId| {
            let mut workers = model.live_in(slot);
            workers.any(|seen| seen.serves() && seen.generation == model.good)
        };
        !self.rollout_runs() && (0..model.wanted).all(|slot| served(SlotId(slot)))
    }

    pub(crate) fn assert_alive(&self, processes: usize) {
        assert_eq!(
            processes, self.model.wanted as usize,
            "processes the supervisor knows nothing of"
        );
    }

    fn begin_step(&mut self, now: Timestamp) {
        self.model.now = self.model.now.max(now);
        self.rollout_ended = false;
        self.drained_for_rollout = false;
        self.told.clear();
    }

    fn rollout_runs(&self) -> bool {
        self.model.to.is_some() || self.model.returning
    }

    fn seen(&mut self, worker: WorkerId, change: impl FnOnce(&mut Seen)) {
        if let Some(seen) = self.model.workers.get_mut(&worker) {
            change(seen);
        }
    }

    fn assert_slots_filled(&self) {
        let model = &self.model;
        for (slot, past) in model
            .slots
            .iter()
            .filter(|(slot, _)| model.is_wanted(**slot))
        {
            assert!(!past.unannounced, "slot {slot} backs off without a word");
            assert!(!past.unsaid, "slot {slot} loops without a word");
            let may = past.retry_at.is_none_or(|moment| moment <= model.now);
            let in_flight = model.in_slot(*slot).any(|seen| !seen.exists);
            // A worker of the new generation that is not ready has proven nothing.
            let holds = |seen: &Seen| seen.is_ready() || Some(seen.generation) != model.to;
            let empty = !model.live_in(*slot).any(holds);
            let waits = in_flight || model.going_in(*slot) > 1;
            let blocked = !may || waits || model.has_failure_to_come(*slot);
            assert!(!empty || blocked, "slot {slot} stays empty");
        }
    }

    /// Workers of a generation that was given up stay only where they serve, and not beyond the way back.
    fn assert_strays_gone(&self) {
        let model = &self.model;
        let wanted = model.slots.keys().filter(|slot| model.is_wanted(**slot));
        for slot in wanted {
            let aims = [Some(model.good), model.to];
            let given_up = |seen: &&Seen| !aims.contains(&Some(seen.generation));
            let mut strays = model.live_in(*slot).filter(given_up);
            let may_go = model.going_in(*slot) == 0;
            let useless = |seen: &Seen| self.rollout_ended || (may_go && !seen.is_ready());
            assert!(
                !strays.any(useless),
                "slot {slot} keeps a worker that was given up"
            );
        }
    }

    fn assert_gives_up(&self) {
        let over =
            !self.model.ever_ready && self.model.to.is_none() && all_attempts_used(&self.model);
        assert!(!over, "every slot has used up its attempts");
    }
}

fn all_attempts_used(model: &Model) -> bool {
    let attempts = model.policy.attempts_until_never_ready.max(1);
    let mut wanted = model
        .slots
        .iter()
        .filter(|(slot, _)| model.is_wanted(**slot));
    wanted.all(|(_, past)| past.failures >= attempts)
}
