//! One slot: its workers, and what its past means for its next attempt.

use alloc::vec::Vec;

use super::budget::Deaths;
use super::worker::Worker;
use crate::{Generation, Timestamp, WorkerId};

/// A place that should hold one serving worker.
#[derive(Debug, Default)]
pub(super) struct Slot {
    /// In the order of their ids.
    workers: Vec<Worker>,
    /// How many attempts in a row have failed.
    pub(super) failures: u32,
    pub(super) deaths: Deaths,
    /// The earliest moment of the next attempt of the good generation.
    pub(super) retry_at: Option<Timestamp>,
}

impl Slot {
    pub(super) fn add(&mut self, worker: Worker) {
        self.workers.push(worker);
    }

    pub(super) fn remove(&mut self, worker: WorkerId) {
        self.workers.retain(|known| known.id != worker);
    }

    pub(super) fn workers(&self) -> impl DoubleEndedIterator<Item = &Worker> {
        self.workers.iter()
    }

    pub(super) fn workers_mut(&mut self) -> impl Iterator<Item = &mut Worker> {
        self.workers.iter_mut()
    }

    pub(super) fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.workers.iter().find(|worker| worker.id == id)
    }

    pub(super) fn worker_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.workers.iter_mut().find(|worker| worker.id == id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.workers.is_empty()
    }

    pub(super) fn live(&self) -> impl DoubleEndedIterator<Item = &Worker> {
        self.workers.iter().filter(|worker| worker.is_live())
    }

    pub(super) fn live_of(&self, generation: Generation) -> impl Iterator<Item = &Worker> {
        self.live()
            .filter(move |worker| worker.generation == generation)
    }

    /// Live workers of any other generation.
    pub(super) fn live_beside(&self, generation: Generation) -> impl Iterator<Item = &Worker> {
        self.live()
            .filter(move |worker| worker.generation != generation)
    }

    /// How many workers are on their way out.
    pub(super) fn going(&self) -> usize {
        self.workers
            .iter()
            .filter(|worker| worker.is_going())
            .count()
    }

    /// Whether an attempt of the good generation may be made: its back-off is over, no other spawn is in
    /// flight, and at most `going` workers are still on their way out.
    pub(super) fn may_spawn(&self, good: Generation, now: Timestamp, going: usize) -> bool {
        // The back-off after a worker that was killed for not proving itself begins when it is gone.
        let backs_off_later = |worker: &Worker| worker.failed && worker.generation == good;
        let waits = self.retry_at.is_some_and(|moment| now < moment)
            || self.workers.iter().any(backs_off_later);
        !waits && !self.has_spawn_in_flight() && self.going() <= going
    }

    pub(super) fn has_spawn_in_flight(&self) -> bool {
        self.workers.iter().any(|worker| !worker.spawn_answered)
    }

    /// Whether a rollout to this generation has begun in this slot.
    pub(super) fn is_taken_by(&self, generation: Generation) -> bool {
        self.live_of(generation).next().is_some()
    }

    /// Whether a rollout to this generation is through with this slot: its worker can be relied on, and
    /// no other is left that was not told to drain.
    pub(super) fn has_moved_to(&self, generation: Generation) -> bool {
        self.live_of(generation)
            .any(|worker| worker.is_ready() && worker.settled)
            && self.live_beside(generation).next().is_none()
    }

    /// Whether a worker of this generation serves and no other is left that was not told to drain.
    pub(super) fn runs_only(&self, generation: Generation) -> bool {
        self.live_of(generation).any(Worker::is_ready)
            && self.live_beside(generation).next().is_none()
    }

    /// How many workers this slot holds, or may come to hold, beyond its one. A slot on its way to
    /// another generation counts even while its old worker is dead: that one may be started again.
    pub(super) fn surplus(&self, rollout_to: Option<Generation>) -> usize {
        let moving = rollout_to.is_some_and(|to| self.is_taken_by(to) && !self.has_moved_to(to));
        self.live()
            .count()
            .saturating_sub(1)
            .max(usize::from(moving))
    }

    /// A slot that keeps failing: nothing waits for it.
    pub(super) fn is_backing_off(&self) -> bool {
        self.failures > 1
    }

    /// Forgets failures and deaths, not a delay that already runs.
    pub(super) fn forgive(&mut self) {
        self.failures = 0;
        self.deaths = Deaths::default();
    }
}
