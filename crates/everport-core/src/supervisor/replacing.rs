//! Workers that want a successor: who does, and whose turn it is.

use super::slot::Slot;
use super::timers::Timer;
use super::worker::{Replacement, Worker};
use super::{Phase, Supervisor};
use crate::{Notice, ReplaceCause, SlotId, WorkerId};

const LIFETIME_JITTER: u32 = 10; // up to a tenth: enough to spread workers that were started together

impl Supervisor {
    /// The first cause stays.
    pub(super) fn want_successor(&mut self, id: WorkerId, cause: ReplaceCause) {
        if let Some(worker) = self.worker_mut(id)
            && worker.is_live()
            && !worker.wants_successor()
        {
            worker.replacement = Replacement::Wanted(cause);
        }
    }

    /// Lets the lifetime of a worker that became ready begin.
    pub(super) fn limit_lifetime(&mut self, id: WorkerId) {
        if let Some(most) = self.policy.max_lifetime {
            let lifetime = self.jitter.shorten(most, LIFETIME_JITTER);
            self.timers.set(Timer::Lifetime(id), self.now + lifetime);
        }
    }

    /// Workers that want a successor get one, one at a time over the whole cluster, the oldest first: if
    /// all of them always want one, each has its turn.
    pub(super) fn replace_one(&mut self) {
        let may_begin = self.phase == Phase::Running && self.rollout.is_none();
        if !may_begin || !self.has_surge_left() || self.is_replacing() {
            return;
        }
        let candidates = self.wanted_slots().filter_map(|(id, slot)| {
            let worker = self.next_to_replace(slot)?;
            Some((worker.id, id))
        });
        if let Some((worker, slot)) = candidates.min() {
            self.note_replacement(worker, slot);
            self.spawn(slot, self.good);
        }
    }

    /// The worker of this slot that can be replaced now, if it wants to be.
    fn next_to_replace<'slot>(&self, slot: &'slot Slot) -> Option<&'slot Worker> {
        let alone = slot.live().count() == 1 && slot.may_spawn(self.good, self.now, 0);
        let mut workers = slot.live_of(self.good).filter(|_| alone);
        workers.find(|worker| worker.wants_successor() && worker.is_ready())
    }

    /// Said once, however many attempts it takes.
    fn note_replacement(&mut self, id: WorkerId, slot: SlotId) {
        if let Some(worker) = self.worker_mut(id)
            && let Replacement::Wanted(cause) = worker.replacement
        {
            worker.replacement = Replacement::Started;
            self.notices.push_back(Notice::ReplacementStarted {
                worker: id,
                slot,
                cause,
            });
        }
    }

    fn is_replacing(&self) -> bool {
        self.slots
            .values()
            .any(|slot| slot.live().count() > 1 && slot.live().any(Worker::wants_successor))
    }
}
