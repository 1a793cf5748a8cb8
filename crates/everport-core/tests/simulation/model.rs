//! What an outsider can know about a cluster from the supervisor's inputs and outputs alone.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use everport_core::{
    DrainReason, ExitReason, Generation, Policy, PortId, ReplaceCause, Serving, SlotId, Timestamp,
    WorkerId,
};

/// A worker as seen from outside.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) id: WorkerId,
    pub(crate) slot: SlotId,
    pub(crate) generation: Generation,
    pub(crate) spawned_at: Timestamp,
    /// Whether `Spawned` (or something only a process can say) has come.
    pub(crate) exists: bool,
    pub(crate) ready_at: Option<Timestamp>,
    pub(crate) forgiven: bool,
    pub(crate) suspended: bool,
    /// Since when it is ready without a stop; what it has proven by then stays proven.
    pub(crate) steady_since: Option<Timestamp>,
    pub(crate) proven: bool,
    /// Since when it is ready and stopped at once.
    pub(crate) still_since: Option<Timestamp>,
    pub(crate) silent: bool,
    /// Since when it is ready, runs and is silent.
    pub(crate) quiet_since: Option<Timestamp>,
    /// Why a successor was asked for first, and when; or why it got one.
    pub(crate) asked: Option<(ReplaceCause, Timestamp)>,
    /// Whether it was told that the cluster leaves.
    pub(crate) announced: bool,
    pub(crate) told: Option<DrainReason>,
    pub(crate) left: bool,
    pub(crate) drain_deadline: Option<Timestamp>,
    pub(crate) killed: bool,
    /// Whether its end counts as a failed attempt although it was killed.
    pub(crate) failed: bool,
    /// Whether it was given up as hung, once it had settled: then its end has counted already.
    pub(crate) hung: bool,
    pub(crate) ports: BTreeSet<PortId>,
}

impl Seen {
    pub(crate) fn new(id: WorkerId, slot: SlotId, generation: Generation, now: Timestamp) -> Self {
        Self {
            id,
            slot,
            generation,
            spawned_at: now,
            exists: false,
            ready_at: None,
            forgiven: false,
            suspended: false,
            steady_since: None,
            proven: false,
            still_since: None,
            silent: false,
            quiet_since: None,
            asked: None,
            announced: false,
            told: None,
            left: false,
            drain_deadline: None,
            killed: false,
            failed: false,
            hung: false,
            ports: BTreeSet::new(),
        }
    }

    pub(crate) fn is_going(&self) -> bool {
        self.told.is_some() || self.left || self.killed || self.failed || self.hung
    }

    pub(crate) fn is_live(&self) -> bool {
        !self.is_going()
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.is_live() && self.ready_at.is_some()
    }

    pub(crate) fn serves(&self) -> bool {
        self.is_ready() && !self.suspended && !self.silent
    }

    /// Whether it has been ready without a stop for as long as the policy wants, and been heard then.
    pub(crate) fn has_settled(&self, now: Timestamp, settle: Duration) -> bool {
        let stayed = self.steady_since.is_some_and(|since| now - since >= settle);
        self.proven || (stayed && !self.silent)
    }

    /// Counts its silence from now on, if it is one that has to answer.
    pub(crate) fn count_silence(&mut self, now: Timestamp) {
        let must_answer = self.ready_at.is_some() && !self.suspended;
        self.quiet_since = (self.silent && must_answer).then_some(now);
    }
}

/// A slot's failures, counted from outside.
#[derive(Debug, Default)]
pub(crate) struct Past {
    pub(crate) failures: u32,
    pub(crate) deaths: Vec<Timestamp>,
    pub(crate) looping: bool,
    pub(crate) retry_at: Option<Timestamp>,
    /// A failure whose delay has not been announced yet.
    pub(crate) unannounced: bool,
    /// A budget whose excess has not been announced yet.
    pub(crate) unsaid: bool,
}

/// The cluster as seen from outside.
#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) policy: Policy,
    pub(crate) now: Timestamp,
    pub(crate) workers: BTreeMap<WorkerId, Seen>,
    pub(crate) last_worker: WorkerId,
    pub(crate) wanted: u32,
    /// Slots that have been wanted and not been closed.
    pub(crate) slots: BTreeMap<SlotId, Past>,
    pub(crate) good: Generation,
    pub(crate) last_generation: Generation,
    pub(crate) to: Option<Generation>,
    pub(crate) returning: bool,
    pub(crate) restart_remembered: bool,
    /// A worker of the new generation that has failed: the rollout has to abort.
    pub(crate) fatal: Option<WorkerId>,
    pub(crate) ever_ready: bool,
    pub(crate) stop_asked: bool,
    /// A stop was asked for that has to wait for the drain delay, and it was not said yet that it does.
    pub(crate) leave_asked: bool,
    /// When the drain delay is over.
    pub(crate) leaving: Option<Timestamp>,
    pub(crate) force_asked: bool,
    pub(crate) stopping: Option<ExitReason>,
    pub(crate) exited: bool,
    pub(crate) ports: BTreeMap<PortId, Vec<Serving>>,
}

impl Model {
    pub(crate) fn new(policy: Policy, workers: u32, now: Timestamp) -> Self {
        let mut model = Self {
            policy,
            now,
            workers: BTreeMap::new(),
            last_worker: WorkerId(0),
            wanted: 0,
            slots: BTreeMap::new(),
            good: Generation(1),
            last_generation: Generation(1),
            to: None,
            returning: false,
            restart_remembered: false,
            fatal: None,
            ever_ready: false,
            stop_asked: false,
            leave_asked: false,
            leaving: None,
            force_asked: false,
            stopping: None,
            exited: false,
            ports: BTreeMap::new(),
        };
        model.want(workers);
        model
    }

    pub(crate) fn want(&mut self, workers: u32) {
        self.wanted = workers.max(1);
        for slot in 0..self.wanted {
            self.slots.entry(SlotId(slot)).or_default();
        }
    }

    pub(crate) fn is_wanted(&self, slot: SlotId) -> bool {
        slot.0 < self.wanted
    }

    pub(crate) fn in_slot(&self, slot: SlotId) -> impl Iterator<Item = &Seen> {
        self.workers
            .values()
            .filter(move |worker| worker.slot == slot)
    }

    pub(crate) fn live_in(&self, slot: SlotId) -> impl Iterator<Item = &Seen> {
        self.in_slot(slot).filter(|worker| worker.is_live())
    }

    pub(crate) fn going_in(&self, slot: SlotId) -> usize {
        self.in_slot(slot)
            .filter(|worker| worker.is_going())
            .count()
    }

    /// Whether a worker that was killed for not proving itself is still there: its back-off has yet to begin.
    pub(crate) fn has_failure_to_come(&self, slot: SlotId) -> bool {
        self.in_slot(slot)
            .any(|seen| seen.failed && seen.generation == self.good)
    }

    /// Whether a worker that others may wait for has been stopped for longer than it may: it has not
    /// settled, or a rollout wants it to take over from another worker of its slot.
    pub(crate) fn stood_still_too_long(&self, seen: &Seen) -> bool {
        let over = |since: Timestamp| since + self.policy.boot_timeout <= self.now;
        self.is_on_trial(seen) && seen.still_since.is_some_and(over)
    }

    /// Whether others may wait for a ready worker.
    pub(crate) fn is_on_trial(&self, seen: &Seen) -> bool {
        let other = |other: &Seen| other.generation != seen.generation;
        let takes_over = Some(seen.generation) == self.to && self.live_in(seen.slot).any(other);
        let unproven = !seen.has_settled(self.now, self.policy.settle);
        seen.is_ready() && (unproven || takes_over)
    }

    /// How long a ready worker may be silent.
    pub(crate) fn longest_silence(&self, seen: &Seen) -> Option<Duration> {
        let Policy {
            hang_timeout,
            boot_timeout,
            ..
        } = self.policy;
        match (hang_timeout.is_zero(), self.is_on_trial(seen)) {
            (false, true) => Some(hang_timeout.min(boot_timeout)),
            (false, false) => Some(hang_timeout),
            (true, true) => Some(boot_timeout),
            (true, false) => None,
        }
    }

    /// When a silent worker is to be killed, if it stays so and nothing else changes.
    pub(crate) fn hangs_at(&self, seen: &Seen) -> Option<Timestamp> {
        let since = seen.quiet_since.filter(|_| seen.is_ready())?;
        Some(since + self.longest_silence(seen)?)
    }

    /// Whether a worker may have reached its lifetime: some get up to a tenth less.
    pub(crate) fn may_be_old(&self, seen: &Seen, now: Timestamp) -> bool {
        let (lifetime, ready_at) = (self.policy.max_lifetime, seen.ready_at);
        lifetime.is_some_and(|most| ready_at.is_some_and(|since| since + most * 9 / 10 <= now))
    }

    /// Whether a worker is to be replaced.
    pub(crate) fn wants_successor(&self, seen: &Seen) -> bool {
        let (lifetime, ready_at) = (self.policy.max_lifetime, seen.ready_at);
        let old =
            lifetime.is_some_and(|most| ready_at.is_some_and(|since| since + most <= self.now));
        old || seen.asked.is_some()
    }

    pub(crate) fn surge(&self) -> usize {
        self.policy.surge.max(1) as usize
    }

    /// Workers that have newly been ready for long enough to reset their slots. One that was stopped until
    /// its time was up before that, in a turn that comes late for both, has not stayed.
    pub(crate) fn stayed_ready(&self) -> impl Iterator<Item = &Seen> {
        let Policy {
            backoff,
            boot_timeout,
            ..
        } = self.policy;
        self.workers.values().filter(move |seen| {
            let resets_at = seen.ready_at.map(|since| since + backoff.reset_after);
            let given_up = self.stood_still_too_long(seen)
                && seen.still_since.map(|since| since + boot_timeout) <= resets_at;
            let given_up = given_up
                || self
                    .hangs_at(seen)
                    .is_some_and(|moment| moment <= self.now && Some(moment) <= resets_at);
            let due = resets_at.is_some_and(|moment| moment <= self.now);
            seen.is_live() && due && !seen.forgiven && !given_up
        })
    }

    /// Who should get the new connections of a port.
    pub(crate) fn serving(&self, port: PortId) -> Vec<Serving> {
        let mut serving = BTreeMap::new();
        for worker in self.workers.values().filter(|worker| worker.serves()) {
            if worker.ports.contains(&port) {
                serving.insert(worker.slot, worker.id);
            }
        }
        let serving = serving.into_iter();
        serving
            .map(|(slot, worker)| Serving { slot, worker })
            .collect()
    }

    /// The delay that the policy's words ask for, without jitter.
    pub(crate) fn nominal_delay(&self, failures: u32) -> Duration {
        let mut delay = self.policy.backoff.base;
        if failures < 2 {
            return Duration::ZERO;
        }
        for _ in 2..failures.min(64) {
            delay = delay.saturating_mul(2).min(self.policy.backoff.cap);
        }
        delay.min(self.policy.backoff.cap)
    }

    pub(crate) fn fail(&mut self, slot: SlotId) {
        if self.stopping.is_some() || !self.is_wanted(slot) {
            return;
        }
        let (now, budget) = (self.now, self.policy.budget);
        let Some(past) = self.slots.get_mut(&slot) else {
            return;
        };
        past.failures += 1;
        past.deaths.push(now);
        past.deaths.retain(|death| now - *death <= budget.period);
        if past.deaths.len() > budget.intensity as usize && !past.looping {
            past.looping = true;
            past.unsaid = true;
        }
        past.retry_at = Some(now);
        let failures = past.failures;
        let announced = !self.nominal_delay(failures).is_zero();
        self.slots.entry(slot).or_default().unannounced = announced;
    }
}
