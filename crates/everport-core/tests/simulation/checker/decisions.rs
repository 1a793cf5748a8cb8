//! Whether workers are spawned, told to drain and killed rightly.

use everport_core::{DrainReason, ExitReason, Generation, SlotId, WorkerId};

use super::Checker;
use crate::model::Seen;

impl Checker {
    pub(super) fn spawn(&mut self, worker: WorkerId, slot: SlotId, generation: Generation) {
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

    pub(super) fn assert_may_take(&self, slot: SlotId, to: Generation) {
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

    pub(super) fn assert_may_fill(&self, slot: SlotId) {
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
        assert!(
            !model.has_failure_to_come(slot),
            "slot {slot} has a failed worker that is not gone"
        );
        let mut good = model
            .live_in(slot)
            .filter(|seen| seen.generation == model.good);
        if let Some(predecessor) = good.next() {
            assert!(good.next().is_none(), "a third worker");
            assert!(!self.rollout_runs(), "a replacement during a rollout");
            assert_eq!(
                model.leaving, None,
                "a replacement while the cluster leaves"
            );
            assert!(
                predecessor.asked.is_some() && predecessor.is_ready(),
                "a successor nobody wants"
            );
            assert!(!self.is_replacing(), "two replacements at once");
        }
    }

    /// Whether a slot has two live workers, one of which is to be replaced by the other.
    fn is_replacing(&self) -> bool {
        let model = &self.model;
        let mut slots = model.slots.keys();
        slots.any(|slot| {
            let live: Vec<_> = model.live_in(*slot).collect();
            live.len() > 1 && live.iter().any(|seen| seen.asked.is_some())
        })
    }

    /// While nothing stands in the way, no worker that is to be replaced is left to itself.
    pub(super) fn assert_replaced(&self, wants: impl Fn(&Seen) -> bool) {
        let model = &self.model;
        let surplus = model
            .slots
            .keys()
            .any(|slot| model.live_in(*slot).count() > 1);
        if surplus || self.rollout_runs() || model.leaving.is_some() {
            return;
        }
        let wanted = model
            .slots
            .iter()
            .filter(|(slot, _)| model.is_wanted(**slot));
        for (slot, past) in wanted {
            let may = past.retry_at.is_none_or(|moment| moment <= model.now)
                && model.going_in(*slot) == 0
                && model.in_slot(*slot).all(|seen| seen.exists);
            let due = |seen: &Seen| seen.is_ready() && seen.generation == model.good && wants(seen);
            let mut workers = model.in_slot(*slot);
            assert!(!may || !workers.any(due), "slot {slot}: nobody is replaced");
        }
    }

    pub(super) fn drain(&mut self, worker: WorkerId, reason: DrainReason) {
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

    pub(super) fn assert_may_remove(&self, seen: &Seen) {
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

    pub(super) fn assert_superseded(&self, seen: &Seen, reason: DrainReason) {
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
                seen.asked.is_some() && successor.id > seen.id,
                "replaced unasked"
            );
        } else {
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

    pub(super) fn kill(&mut self, worker: WorkerId) {
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
            overdue || seen.failed || seen.hung || ending || half_born,
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
}
