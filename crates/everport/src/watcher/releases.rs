//! Ports that their last worker has given back, kept for a moment: a dying worker gives everything back, too.

use std::time::Duration;

use everport_core::PortId;
use tokio::time::Instant;

use crate::WorkerId;

/// How long a worker must outlive what it gave back for that to count as its will. One whose `main` returns,
/// or that unwinds, drops its listeners some moments before it is dead, and its successor will ask again.
const OUTLIVED: Duration = Duration::from_secs(1);

/// How long a successor may take to ask for what a worker had given back that died or left by itself.
const ASKED_WITHIN: Duration = Duration::from_secs(60);

/// The ports that close soon.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    waiting: Vec<(Instant, WorkerId, PortId)>,
}

impl Releases {
    /// This worker has given the port back, and nobody else wants it.
    pub(crate) fn add(&mut self, worker: WorkerId, port: PortId, now: Instant) {
        self.take_back(port);
        self.waiting.push((now + OUTLIVED, worker, port));
    }

    /// Somebody has asked for the port again.
    pub(crate) fn take_back(&mut self, port: PortId) {
        self.waiting.retain(|(_, _, other)| *other != port);
    }

    /// The worker is dead or leaves by itself: whatever it gave back, its successor will probably want.
    pub(crate) fn postpone(&mut self, worker: WorkerId, now: Instant) {
        for (at, other, _) in &mut self.waiting {
            if *other == worker {
                *at = now + ASKED_WITHIN;
            }
        }
    }

    /// The worker is told to leave, so that nothing was given back because it died.
    pub(crate) fn take_of(&mut self, worker: WorkerId) -> Vec<PortId> {
        let its = self
            .waiting
            .extract_if(.., |(_, other, _)| *other == worker);
        its.map(|(_, _, port)| port).collect()
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.waiting.iter().map(|(at, _, _)| *at).min()
    }

    /// The next port that is to be closed now.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<PortId> {
        let due = self.waiting.iter().position(|(at, _, _)| *at <= now)?;
        let (_, _, port) = self.waiting.remove(due);
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: WorkerId = WorkerId(1);
    const PORT: PortId = PortId(2);

    #[test]
    fn what_a_worker_outlives_counts_and_what_is_asked_for_again_does_not() {
        let now = Instant::now();
        let mut releases = Releases::default();
        releases.add(WORKER, PORT, now);
        assert_eq!(releases.pop_due(now), None);
        assert_eq!(releases.next_timeout(), Some(now + OUTLIVED));
        assert_eq!(releases.pop_due(now + OUTLIVED), Some(PORT));
        releases.add(WORKER, PORT, now);
        releases.take_back(PORT);
        assert_eq!(releases.pop_due(now + OUTLIVED), None);
    }

    #[test]
    fn what_a_dead_worker_gave_back_waits_for_its_successor() {
        let now = Instant::now();
        let mut releases = Releases::default();
        releases.add(WORKER, PORT, now);
        releases.postpone(WORKER, now);
        assert_eq!(releases.pop_due(now + OUTLIVED), None);
        assert_eq!(releases.pop_due(now + ASKED_WITHIN), Some(PORT));
    }

    #[test]
    fn what_a_worker_gave_back_that_is_told_to_leave_waits_for_nothing() {
        let now = Instant::now();
        let mut releases = Releases::default();
        releases.add(WORKER, PORT, now);
        assert_eq!(releases.take_of(WORKER), [PORT]);
        assert_eq!(releases.next_timeout(), None);
    }
}
