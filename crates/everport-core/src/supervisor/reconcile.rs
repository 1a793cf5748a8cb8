//! What to do about the difference between what is wanted and what is.

use alloc::vec::Vec;

use super::Supervisor;
use super::slot::Slot;
use super::worker::Worker;
use crate::{Generation, Notice, SlotId};

impl Supervisor {
    /// Brings the cluster one decision closer to what is wanted. Called after every input, and without
    /// effect when nothing has changed.
    pub(super) fn reconcile(&mut self) {
        if self.phase.supervises() {
            self.let_go();
            self.give_up_if_never_ready();
        }
        if self.phase.supervises() {
            // Nobody may wait at a slot that just lost its worker while that one's successor is started.
            self.steer();
            self.bring_up();
            self.close_removed_slots();
            self.note_cluster_ready();
            self.announce_leaving();
        }
        self.exit_if_over();
    }

    /// Ends as many rollouts as there are: one that is over can start the one that was remembered,
    /// which is never over before it has spawned something, so this ends.
    fn let_go(&mut self) {
        loop {
            self.retire_superseded();
            self.retire_removed();
            self.tell_retired();
            if !self.conclude_rollout() {
                return;
            }
        }
    }

    fn bring_up(&mut self) {
        self.fill_empty_slots();
        match self.rollout_to() {
            Some(to) => self.take_next_slots(to),
            None => {
                self.return_strayed_slots();
                self.replace_one();
            }
        }
    }

    /// Slots without a worker get one as soon as their back-off allows. So does a slot whose old worker
    /// died while the new one has yet to prove itself.
    fn fill_empty_slots(&mut self) {
        let (now, good, to) = (self.now, self.good, self.rollout_to());
        let needs_worker = |slot: &Slot| match to {
            Some(to) => {
                slot.live_beside(to).next().is_none() && !slot.live_of(to).any(Worker::is_ready)
            }
            None => slot.live().next().is_none(),
        };
        let empty: Vec<SlotId> = self
            .wanted_slots()
            .filter(|(_, slot)| needs_worker(slot) && slot.may_spawn(good, now, 1))
            .map(|(id, _)| id)
            .collect();
        for slot in empty {
            self.spawn(slot, good);
        }
    }

    /// The rollout goes through the slots in order and waits at one whose predecessor still drains.
    fn take_next_slots(&mut self, to: Generation) {
        while self.has_surge_left() {
            let next = self.wanted_slots().find(|(_, slot)| !slot.is_taken_by(to));
            let Some((id, slot)) = next else {
                return;
            };
            if slot.live().count() > 1 || slot.going() > 0 || slot.has_spawn_in_flight() {
                return;
            }
            self.spawn(id, to);
        }
    }

    /// Slots that run a generation that was given up get a worker of the good one beside it.
    fn return_strayed_slots(&mut self) {
        let (now, good) = (self.now, self.good);
        while self.has_surge_left() {
            let next = self.wanted_slots().find(|(_, slot)| {
                slot.live().count() == 1 && !slot.is_taken_by(good) && slot.may_spawn(good, now, 0)
            });
            let Some((id, _)) = next else {
                return;
            };
            self.spawn(id, good);
        }
    }

    pub(super) fn has_surge_left(&self) -> bool {
        let to = self.rollout_to();
        let surplus: usize = self.slots.values().map(|slot| slot.surplus(to)).sum();
        surplus < self.policy.surge.max(1) as usize
    }

    fn note_cluster_ready(&mut self) {
        if self.cluster_was_ready
            || !self
                .wanted_slots()
                .all(|(_, slot)| slot.live().any(Worker::is_ready))
        {
            return;
        }
        self.cluster_was_ready = true;
        self.notices.push_back(Notice::ClusterReady {
            workers: self.wanted,
            took: self.now - self.started,
        });
    }
}
