//! The one table of timers.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::{SlotId, Timestamp, WorkerId};

/// What the supervisor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// When to kill a worker that is still not ready.
    Boot(WorkerId),
    /// When to believe a worker that has said it is ready.
    Settle(WorkerId),
    /// When to give up a new worker that is stopped before it has settled.
    Suspended(WorkerId),
    /// When to kill a worker that stays silent.
    Hang(WorkerId),
    /// When to forget the failures of a slot because its worker has stayed ready.
    Forgive(WorkerId),
    /// When to replace a worker that has lived long enough.
    Lifetime(WorkerId),
    /// When to kill a worker that still drains.
    Drain(WorkerId),
    /// When to try again to fill a slot.
    Retry(SlotId),
    /// When to drain every worker of a cluster that is leaving.
    DrainDelay,
}

/// Every running timer with its deadline.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeMap<Timer, Timestamp>);

impl Timers {
    pub(super) fn set(&mut self, timer: Timer, deadline: Timestamp) {
        self.0.insert(timer, deadline);
    }

    pub(super) fn clear(&mut self, timer: Timer) {
        self.0.remove(&timer);
    }

    pub(super) fn clear_worker(&mut self, worker: WorkerId) {
        self.clear(Timer::Boot(worker));
        self.clear(Timer::Settle(worker));
        self.clear(Timer::Suspended(worker));
        self.clear(Timer::Hang(worker));
        self.clear(Timer::Forgive(worker));
        self.clear(Timer::Lifetime(worker));
        self.clear(Timer::Drain(worker));
    }

    pub(super) fn clear_all(&mut self) {
        self.0.clear();
    }

    pub(super) fn earliest(&self) -> Option<Timestamp> {
        self.0.values().min().copied()
    }

    /// Whether one of them ends in killing a worker.
    pub(super) fn has_deadly(&self) -> bool {
        let is_deadly = |timer: &Timer| {
            matches!(
                timer,
                Timer::Boot(_) | Timer::Suspended(_) | Timer::Hang(_) | Timer::Drain(_)
            )
        };
        self.0.keys().any(is_deadly)
    }

    /// Those whose deadline has come, earliest first.
    pub(super) fn expired(&self, now: Timestamp) -> Vec<Timer> {
        let due = self.0.iter().filter(|(_, deadline)| **deadline <= now);
        let mut due: Vec<_> = due.map(|(timer, deadline)| (*deadline, *timer)).collect();
        due.sort_unstable();
        due.into_iter().map(|(_, timer)| timer).collect()
    }

    /// Ends the timer if its deadline has come, and says whether it had.
    pub(super) fn take_expired(&mut self, timer: Timer, now: Timestamp) -> bool {
        let expired = self.0.get(&timer).is_some_and(|deadline| *deadline <= now);
        if expired {
            self.clear(timer);
        }
        expired
    }
}
