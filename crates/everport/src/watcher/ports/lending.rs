//! Rescue: which serving workers accept from the sockets of slots that nobody serves.

use std::collections::{BTreeMap, BTreeSet};

use everport_core::Serving;

use crate::{SlotId, WorkerId};

/// How many workers a socket is lent to: one could itself stop at any moment.
const BORROWERS: usize = 2;

/// The loans of one port.
#[derive(Debug, Default)]
pub(crate) struct Lending {
    loans: BTreeMap<SlotId, BTreeSet<WorkerId>>,
}

/// A change of the loans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LoanChange {
    /// The worker is to accept from the slot's socket, too.
    Lend(SlotId, WorkerId),
    /// The worker is to let go of the slot's socket.
    Recall(SlotId, WorkerId),
}

impl Lending {
    /// Adapts the loans to who serves now, in the order of their slots; `slots` are those that have a socket, likewise.
    pub(crate) fn adapt(
        &mut self,
        slots: impl Iterator<Item = SlotId>,
        serving: &[Serving],
    ) -> Vec<LoanChange> {
        let mut changes = Vec::new();
        let mut wanted = BTreeMap::new();
        for slot in unserved(slots, serving) {
            let before = self.loans.remove(&slot).unwrap_or_default();
            let now = borrowers(slot, &before, serving);
            changes.extend(
                before
                    .difference(&now)
                    .map(|worker| LoanChange::Recall(slot, *worker)),
            );
            changes.extend(
                now.difference(&before)
                    .map(|worker| LoanChange::Lend(slot, *worker)),
            );
            wanted.insert(slot, now);
        }
        for (slot, workers) in std::mem::replace(&mut self.loans, wanted) {
            changes.extend(
                workers
                    .iter()
                    .map(|worker| LoanChange::Recall(slot, *worker)),
            );
        }
        changes
    }

    /// Who has a slot's socket on loan.
    pub(crate) fn borrowers(&self, slot: SlotId) -> impl Iterator<Item = WorkerId> + '_ {
        self.loans.get(&slot).into_iter().flatten().copied()
    }

    /// A worker could not be told of what it was to borrow.
    pub(crate) fn not_taken(&mut self, slot: SlotId, worker: WorkerId) {
        if let Some(borrowers) = self.loans.get_mut(&slot) {
            borrowers.remove(&worker);
        }
    }

    /// A worker is gone and what it borrowed with it.
    pub(crate) fn forget(&mut self, worker: WorkerId) {
        for borrowers in self.loans.values_mut() {
            borrowers.remove(&worker);
        }
    }
}

/// Those that have the socket already and still serve, filled up with others; which ones depends on the
/// slot, so that several empty slots burden different workers.
fn borrowers(slot: SlotId, before: &BTreeSet<WorkerId>, serving: &[Serving]) -> BTreeSet<WorkerId> {
    let serves = |worker: &WorkerId| serving.iter().any(|server| server.worker == *worker);
    let kept = before.iter().copied().filter(serves);
    let start = (slot.0 as usize).checked_rem(serving.len()).unwrap_or(0);
    let (early, late) = serving.split_at(start);
    let others = late.iter().chain(early).map(|server| server.worker);
    let mut chosen = BTreeSet::new();
    for worker in kept.chain(others) {
        if chosen.len() == BORROWERS {
            break;
        }
        chosen.insert(worker);
    }
    chosen
}

/// Those of these slots, given in their order, that nobody serves.
pub(super) fn unserved(
    slots: impl Iterator<Item = SlotId>,
    serving: &[Serving],
) -> impl Iterator<Item = SlotId> {
    let mut servers = serving.iter().peekable();
    slots.filter(move |slot| {
        while servers.next_if(|server| server.slot < *slot).is_some() {}
        servers.peek().is_none_or(|server| server.slot != *slot)
    })
}

/// Who serves a slot; those who serve are in the order of their slots, and there may be a thousand.
pub(super) fn server_of(slot: SlotId, serving: &[Serving]) -> Option<&Serving> {
    let index = serving.binary_search_by_key(&slot, |server| server.slot);
    index.ok().map(|index| &serving[index])
}

#[cfg(test)]
mod tests {
    use super::LoanChange::{Lend, Recall};
    use super::*;

    fn serving(pairs: &[(u32, u64)]) -> Vec<Serving> {
        let serve = |(slot, worker): &(u32, u64)| Serving {
            slot: SlotId(*slot),
            worker: WorkerId(*worker),
        };
        pairs.iter().map(serve).collect()
    }

    fn slots(count: u32) -> impl Iterator<Item = SlotId> {
        (0..count).map(SlotId)
    }

    #[test]
    fn a_slot_nobody_serves_is_lent_to_two_workers_until_its_own_is_back() {
        let mut lending = Lending::default();
        let three = serving(&[(0, 10), (1, 11), (2, 12)]);
        let lent = lending.adapt(slots(4), &three);
        assert_eq!(
            lent,
            [Lend(SlotId(3), WorkerId(10)), Lend(SlotId(3), WorkerId(11))]
        );
        assert_eq!(lending.adapt(slots(4), &three), []);
        let all = serving(&[(0, 10), (1, 11), (2, 12), (3, 13)]);
        let recalled = lending.adapt(slots(4), &all);
        assert_eq!(
            recalled,
            [
                Recall(SlotId(3), WorkerId(10)),
                Recall(SlotId(3), WorkerId(11))
            ]
        );
    }

    #[test]
    fn a_borrower_that_dies_is_replaced() {
        let mut lending = Lending::default();
        lending.adapt(slots(4), &serving(&[(0, 10), (1, 11), (2, 12)]));
        lending.forget(WorkerId(10));
        let changes = lending.adapt(slots(4), &serving(&[(1, 11), (2, 12)]));
        assert!(
            changes.contains(&Lend(SlotId(3), WorkerId(12))),
            "{changes:?}"
        );
        assert!(
            !changes
                .iter()
                .any(|change| matches!(change, Recall(_, WorkerId(11))))
        );
    }

    #[test]
    fn a_borrower_that_no_longer_serves_is_recalled() {
        let mut lending = Lending::default();
        lending.adapt(slots(3), &serving(&[(0, 10), (1, 11)]));
        let changes = lending.adapt(slots(3), &serving(&[(0, 10), (1, 21)]));
        assert!(
            changes.contains(&Recall(SlotId(2), WorkerId(11))),
            "{changes:?}"
        );
        assert!(
            changes.contains(&Lend(SlotId(2), WorkerId(21))),
            "{changes:?}"
        );
    }

    #[test]
    fn slots_are_unserved_between_and_beyond_those_that_are_served() {
        let two = serving(&[(1, 11), (3, 13)]);
        let unserved = |count| -> Vec<u32> {
            let slots = super::unserved(slots(count), &two);
            slots.map(|slot| slot.0).collect()
        };
        assert_eq!(unserved(1), [0]);
        assert_eq!(unserved(4), [0, 2]);
        assert_eq!(unserved(6), [0, 2, 4, 5]);
    }

    #[test]
    fn without_anybody_who_serves_nothing_is_lent() {
        assert_eq!(Lending::default().adapt(slots(2), &[]), []);
    }
}
