//! What must always hold, judged from inputs and outputs alone.

use everport_core::{
    Action, CrashLoop, DrainReason, Event, ExitReason, Generation, Notice, Policy, PortId, Serving,
    SlotId, Timestamp, WorkerId,
};

use crate::model::{Model, Seen};

/// Asserts safety at every step. It has never seen the supervisor's inside.
pub(crate) struct Checker {
    model: Model,
    /// Within one step: a rollout ended, so ports may be closed.
    rollout_ended: bool,
    drained_for_rollout: bool,
    /// Within one step: the workers that were told to drain while the cluster goes on.
    told: Vec<WorkerId>,
}

impl Checker {
    pub(crate) fn new(policy: Policy, workers: u32, now: Timestamp) -> Self {
        let model = Model::new(policy, workers, now);
        Self {
            model,
            rollout_ended: false,
            drained_for_rollout: false,
            told: Vec::new(),
        }
    }

    pub(crate) fn before_event(&mut self, now: Timestamp, event: Event) {
        self.begin_step(now);
        if self.model.exited {
            return;
        }
        match event {
            Event::Restart if self.model.stopping.is_none() => {
                self.model.restart_remembered = true;
            }
            Event::Scale { workers } if self.model.stopping.is_none() => self.model.want(workers),
            Event::Stop => self.model.stop_asked = true,
            Event::ForceStop => self.model.force_asked = true,
            Event::Restart | Event::Scale { .. } => {}
            Event::Spawned { worker } => self.seen(worker, |seen| seen.exists = true),
            Event::Listening { worker, port } => self.listening(worker, port),
            Event::Released { worker, port } => self.seen(worker, |seen| {
                seen.ports.remove(&port);
            }),
            Event::Ready { worker } => self.ready(worker),
            Event::ReplaceRequested { worker } => {
                self.seen(worker, |seen| seen.asked_replacement |= seen.is_live());
            }
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
        let reset_after = self.model.policy.backoff.reset_after;
        let (now, good) = (self.model.now, self.model.good);
        for seen in self.model.workers.values_mut() {
            let stayed = seen
                .ready_at
                .is_some_and(|since| since + reset_after <= now);
            if seen.is_live() && stayed && !seen.forgiven {
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
            } => {
                assert_eq!(self.model.to, Some(generation), "aborted what did not run");
                assert_eq!(back_to, self.model.good, "back to the wrong generation");
                assert_eq!(
                    self.model.fatal.take(),
                    Some(worker),
                    "aborted without a reason"
                );
                self.model.to = None;
                self.model.returning = true;
            }
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
            }
            Notice::ReplacementStarted { worker, .. } => {
                assert!(
                    self.model.workers[&worker].asked_replacement,
                    "replaced unasked"
                );
            }
            Notice::WorkerReady { worker, .. } => {
                assert!(
                    self.model.workers[&worker].ready_at.is_some(),
                    "never said ready"
                );
            }
            Notice::ClusterReady { .. } | Notice::Draining { .. } | Notice::Scaled { .. } => {}
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
        if self.model.stopping.is_some() {
            assert!(
                !self.model.workers.is_empty(),
                "nothing is left and it does not exit"
            );
            return;
        }
        assert!(
            !self.model.stop_asked && !self.model.force_asked,
            "a stop was ignored"
        );
        assert_eq!(
            self.model.fatal, None,
            "a failed new worker did not abort the rollout"
        );
        assert!(
            !self.model.restart_remembered || self.rollout_runs(),
            "a restart was forgotten"
        );
        self.assert_slots_filled();
        self.assert_gives_up();
        if self.rollout_ended && !self.rollout_runs() {
            self.assert_ports_wanted();
        }
    }

    pub(crate) fn after_timeout(&self) {
        let (now, policy) = (self.model.now, self.model.policy);
        for seen in self.model.workers.values().filter(|seen| !seen.killed) {
            // One that began to drain in this very moment with no time at all is killed one turn later.
            let deadline = seen.drain_deadline;
            let late =
                deadline.is_some_and(|deadline| deadline <= now) && !policy.drain_timeout.is_zero();
            assert!(!late, "worker {} drains beyond its deadline", seen.id);
            let boots = seen.is_live() && seen.ready_at.is_none();
            let late = boots && seen.spawned_at + policy.boot_timeout <= now;
            assert!(!late, "worker {} boots beyond its deadline", seen.id);
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
        for slot in 0..model.wanted {
            let mut workers = model.live_in(SlotId(slot));
            let serves = workers.any(|seen| seen.serves() && seen.generation == model.good);
            assert!(
                serves,
                "slot {slot} has no ready worker of generation {}",
                model.good
            );
        }
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

    fn listening(&mut self, worker: WorkerId, port: PortId) {
        if let Some(seen) = self.model.workers.get_mut(&worker)
            && seen.is_live()
        {
            seen.ports.insert(port);
            self.model.ports.entry(port).or_default();
        }
    }

    fn ready(&mut self, worker: WorkerId) {
        let now = self.model.now;
        if let Some(seen) = self.model.workers.get_mut(&worker)
            && seen.is_live()
            && seen.ready_at.is_none()
        {
            seen.exists = true;
            seen.ready_at = Some(now);
            seen.steady_since = (!seen.suspended).then_some(now);
            self.model.ever_ready = true;
        }
    }

    fn suspended(&mut self, worker: WorkerId) {
        let (now, settle) = (self.model.now, self.model.policy.settle);
        self.seen(worker, |seen| {
            seen.suspended = true;
            seen.proven = seen.has_settled(now, settle);
            seen.steady_since = None;
        });
    }

    fn resumed(&mut self, worker: WorkerId) {
        let now = self.model.now;
        self.seen(worker, |seen| {
            let runs_again = core::mem::take(&mut seen.suspended);
            if runs_again && seen.ready_at.is_some() {
                seen.steady_since = Some(now);
            }
        });
    }

    fn leaving(&mut self, worker: WorkerId) {
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

    fn gone(&mut self, worker: WorkerId) {
        let Some(seen) = self.model.workers.remove(&worker) else {
            return;
        };
        if seen.is_live() {
            self.lost(worker, seen.slot, seen.generation, true);
        } else if seen.failed && seen.generation == self.model.good {
            self.model.fail(seen.slot);
        }
    }

    fn lost(&mut self, worker: WorkerId, slot: SlotId, generation: Generation, counts: bool) {
        if Some(generation) == self.model.to {
            self.model.fatal = Some(worker);
        } else if generation == self.model.good && counts {
            self.model.fail(slot);
        }
    }

    fn rollout_started(&mut self, generation: Generation, from: Generation) {
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

    fn rollout_finished(&mut self, generation: Generation) {
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

    fn rolled_back(&mut self, generation: Generation) {
        assert!(self.model.returning, "rolled back what was not aborted");
        assert_eq!(
            generation, self.model.good,
            "rolled back to the wrong generation"
        );
        self.model.returning = false;
        self.rollout_ended = true;
    }

    fn boot_timed_out(&mut self, worker: WorkerId) {
        let deadline = self.model.workers[&worker].spawned_at + self.model.policy.boot_timeout;
        assert!(deadline <= self.model.now, "worker {worker} had time left");
        let seen = &self.model.workers[&worker];
        assert!(
            seen.is_live() && seen.ready_at.is_none(),
            "worker {worker} does not boot"
        );
        let generation = seen.generation;
        self.seen(worker, |seen| seen.failed = true);
        if Some(generation) == self.model.to {
            self.model.fatal = Some(worker);
        }
    }

    fn backing_off(&mut self, slot: SlotId, failures: u32, delay: core::time::Duration) {
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

    fn stopping(&mut self, reason: ExitReason) {
        let model = &mut self.model;
        let justified = match reason {
            ExitReason::Stopped => model.stop_asked,
            ExitReason::Forced => model.force_asked,
            ExitReason::NeverReady => !model.ever_ready && all_attempts_used(model),
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

    fn spawn(&mut self, worker: WorkerId, slot: SlotId, generation: Generation) {
        let model = &self.model;
        assert!(
            worker > model.last_worker,
            "worker id {worker} is used twice"
        );
        assert_eq!(model.stopping, None, "a spawn while the cluster ends");
        assert!(model.is_wanted(slot), "slot {slot} is not wanted");
        assert!(
            model.in_slot(slot).all(|seen| seen.exists),
            "two spawns in flight for slot {slot}"
        );
        if Some(generation) == model.to {
            self.assert_may_take(slot, generation);
        } else {
            assert_eq!(generation, model.good, "a generation that was given up");
            self.assert_may_fill(slot);
        }
        let model = &mut self.model;
        let seen = Seen::new(worker, slot, generation, model.now);
        model.last_worker = worker;
        model.workers.insert(worker, seen);
        let live = model.workers.values().filter(|seen| seen.is_live()).count();
        let most = model.slots.len() + model.surge();
        assert!(live <= most, "{live} live workers where {most} may be");
    }

    fn assert_may_take(&self, slot: SlotId, to: Generation) {
        let model = &self.model;
        assert_eq!(
            model.going_in(slot),
            0,
            "slot {slot} has a predecessor that still drains"
        );
        let under_way = |slot: &&SlotId| {
            let settled = |seen: &Seen| seen.has_settled(model.now, model.policy.settle);
            let new: Vec<_> = model
                .live_in(**slot)
                .filter(|seen| seen.generation == to)
                .collect();
            let old = model.live_in(**slot).any(|seen| seen.generation != to);
            !new.is_empty() && (old || !new.iter().all(|seen| settled(seen)))
        };
        let under_way = model.slots.keys().filter(under_way).count();
        assert!(under_way < model.surge(), "more than surge slots under way");
        let before = (0..slot.0).map(SlotId);
        let mut skipped =
            before.filter(|slot| model.live_in(*slot).all(|seen| seen.generation != to));
        assert_eq!(skipped.next(), None, "the rollout goes slot by slot");
    }

    fn assert_may_fill(&self, slot: SlotId) {
        let model = &self.model;
        let past = &model.slots[&slot];
        assert!(
            past.retry_at.is_none_or(|moment| moment <= model.now),
            "earlier than the back-off allows"
        );
        assert!(
            model.going_in(slot) <= 1,
            "slot {slot} has two workers that still drain"
        );
        let mut good = model
            .live_in(slot)
            .filter(|seen| seen.generation == model.good);
        if let Some(predecessor) = good.next() {
            assert!(good.next().is_none(), "a third worker");
            assert!(!self.rollout_runs(), "a replacement during a rollout");
            assert!(
                predecessor.asked_replacement && predecessor.is_ready(),
                "a successor nobody wants"
            );
            let others = model.slots.keys().filter(|other| **other != slot);
            let replacing = |other: &SlotId| {
                let live: Vec<_> = model.live_in(*other).collect();
                live.len() > 1 && live.iter().any(|seen| seen.asked_replacement)
            };
            assert!(
                !others.into_iter().any(replacing),
                "two replacements at once"
            );
        }
    }

    fn drain(&mut self, worker: WorkerId, reason: DrainReason) {
        let model = &self.model;
        let seen = model.workers.get(&worker);
        let seen = seen.unwrap_or_else(|| panic!("worker {worker} is not there"));
        assert!(
            seen.is_live() && seen.exists,
            "worker {worker} cannot be told to drain"
        );
        match reason {
            DrainReason::Stop => assert!(model.stopping.is_some(), "nothing stops"),
            DrainReason::ScaleDown => self.assert_may_remove(seen),
            DrainReason::Rollout | DrainReason::Replaced => self.assert_superseded(seen, reason),
        }
        if reason != DrainReason::Stop {
            assert_eq!(
                model.going_in(seen.slot),
                0,
                "two workers of slot {} drain",
                seen.slot
            );
            self.told.push(worker);
        }
        self.drained_for_rollout |= reason == DrainReason::Rollout;
        let deadline = self.model.now + self.model.policy.drain_timeout;
        self.seen(worker, |seen| {
            seen.told = Some(reason);
            seen.drain_deadline = Some(deadline);
        });
    }

    fn assert_may_remove(&self, seen: &Seen) {
        assert!(
            !self.model.is_wanted(seen.slot),
            "slot {} is wanted",
            seen.slot
        );
        let mut others = self
            .model
            .workers
            .values()
            .filter(|other| other.id != seen.id);
        let another_serves = others.any(Seen::serves);
        assert!(!seen.is_ready() || another_serves, "the last ready worker");
    }

    fn assert_superseded(&self, seen: &Seen, reason: DrainReason) {
        let model = &self.model;
        let given_up = seen.generation != model.good && Some(seen.generation) != model.to;
        if given_up && !seen.is_ready() {
            return;
        }
        let successor = model.live_in(seen.slot).find(|other| {
            let same = other.generation == seen.generation;
            let settled = other.has_settled(model.now, model.policy.settle);
            other.id != seen.id
                && other.serves()
                && settled
                && same == (reason == DrainReason::Replaced)
        });
        let Some(successor) = successor else {
            panic!("nobody has taken the place of worker {}", seen.id);
        };
        if reason == DrainReason::Replaced {
            assert!(
                seen.asked_replacement && successor.id > seen.id,
                "replaced unasked"
            );
        } else {
            let aim = model.to.unwrap_or(model.good);
            let aims = [aim, model.good];
            assert!(
                aims.contains(&successor.generation),
                "given up for a generation that was given up"
            );
            assert_ne!(
                Some(seen.generation),
                model.to,
                "the new generation gives way"
            );
            let unmoved = seen.generation == model.good;
            assert!(
                !unmoved || Some(successor.generation) == model.to,
                "a slot not moved is left alone"
            );
        }
    }

    fn kill(&mut self, worker: WorkerId) {
        let model = &self.model;
        let seen = model.workers.get(&worker);
        let seen = seen.unwrap_or_else(|| panic!("worker {worker} is not there"));
        let overdue = seen
            .drain_deadline
            .is_some_and(|deadline| deadline <= model.now);
        let ending = matches!(
            model.stopping,
            Some(ExitReason::Forced | ExitReason::NeverReady)
        );
        let half_born = !seen.exists || seen.killed;
        assert!(
            overdue || seen.failed || ending || half_born,
            "worker {worker} is killed for nothing"
        );
        if !seen.exists && !ending && !seen.failed {
            let needless = !model.is_wanted(seen.slot) || model.stopping.is_some();
            let aims = [Some(model.good), model.to];
            let given_up = !aims.contains(&Some(seen.generation));
            let old = model.to.is_some_and(|to| seen.generation != to)
                || model.live_in(seen.slot).count() > 1;
            assert!(
                needless || given_up || old,
                "worker {worker} is killed unborn for nothing"
            );
        }
        self.seen(worker, |seen| seen.killed = true);
    }

    fn steer(&mut self, port: PortId, serving: &[Serving]) {
        assert!(!serving.is_empty(), "steered to nobody");
        assert!(
            serving.is_sorted_by_key(|serving| serving.slot),
            "not sorted"
        );
        let serves = self.model.serving(port);
        let known = |entry: &Serving| {
            let seen = &self.model.workers[&entry.worker];
            seen.slot == entry.slot && seen.serves() && seen.ports.contains(&port)
        };
        assert!(
            serving.iter().all(known),
            "{serving:?} where {serves:?} serve"
        );
        let last = self.model.ports.insert(port, serving.to_vec());
        assert_ne!(last.as_deref(), Some(serving), "steered as before");
        let last = last.unwrap_or_else(|| panic!("port {port} is closed"));
        let mut too_late = last
            .iter()
            .filter(|before| self.told.contains(&before.worker));
        assert_eq!(
            too_late.next(),
            None,
            "told to drain before port {port} was steered away"
        );
    }

    fn assert_steered(&self) {
        for (port, last) in &self.model.ports {
            let serving = self.model.serving(*port);
            assert!(
                serving.is_empty() || serving == *last,
                "port {port}: {serving:?} serve, steered to {last:?}"
            );
        }
    }

    fn close_port(&mut self, port: PortId) {
        let model = &mut self.model;
        assert!(
            self.rollout_ended,
            "port {port} is closed without the end of a rollout"
        );
        assert!(
            !self.drained_for_rollout,
            "port {port} is closed after the last drain"
        );
        assert!(
            model.ports.remove(&port).is_some(),
            "port {port} is not open"
        );
        let of_good = |seen: &&Seen| seen.is_live() && seen.generation == model.good;
        let mut workers = model.workers.values().filter(of_good);
        assert!(
            !workers.any(|seen| seen.ports.contains(&port)),
            "port {port} is wanted"
        );
        for seen in model.workers.values_mut() {
            seen.ports.remove(&port);
        }
    }

    fn assert_ports_wanted(&self) {
        let model = &self.model;
        for port in model.ports.keys() {
            let of_good = |seen: &&Seen| seen.is_live() && seen.generation == model.good;
            let mut workers = model.workers.values().filter(of_good);
            assert!(
                workers.any(|seen| seen.ports.contains(port)),
                "port {port} is wanted by nobody"
            );
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
            let empty = model.live_in(*slot).next().is_none();
            let blocked = !may || in_flight || model.going_in(*slot) > 1;
            assert!(!empty || blocked, "slot {slot} stays empty");
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
