//! Ports that their last worker has given back, kept for a moment: a dying worker gives everything back, too.

use std::collections::VecDeque;
use std::time::Duration;

use everport_core::PortId;
use tokio::time::Instant;

use crate::WorkerId;

/// How long a worker must outlive what it gave back for that to count as its will. One whose `main` returns,
/// or that unwinds, drops its listeners some moments before it is dead, and its successor will ask again.
const OUTLIVED: Duration = Duration::from_secs(1);

/// The ports that close soon, in the order of time.
#[derive(Debug, Default)]
pub(crate) struct Releases {
    waiting: VecDeque<(Instant, WorkerId, PortId)>,
}

impl Releases {
    /// This worker has given the port back, and nobody else wants it.
    pub(crate) fn add(&mut self, worker: WorkerId, port: PortId, now: Instant) {
        self.take_back(port);
        self.waiting.push_back((now + OUTLIVED, worker, port));
    }

    /// Somebody has asked for the port again.
    pub(crate) fn take_back(&mut self, port: PortId) {
        self.waiting.retain(|(_, _, other)| *other != port);
    }

    /// The worker is dead or leaves: whatever it gave back, its successor will want.
    pub(crate) fn forget(&mut self, worker: WorkerId) {
        self.waiting.retain(|(_, other, _)| *other != worker);
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|(at, _, _)| *at)
    }

    /// The next port that is to be closed now.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<PortId> {
        let is_due = self.next_timeout().is_some_and(|at| at <= now);
        let (_, _, port) = is_due.then(|| self.waiting.pop_front()).flatten()?;
        Some(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORKER: WorkerId = WorkerId(1);
    const PORT: PortId = PortId(2);

    #[test]
    fn what_a_worker_outlives_counts_and_what_is_asked_for_again_or_dies_with_it_does_not() {
        let now = Instant::now();
        let mut releases = Releases::default();
        releases.add(WORKER, PORT, now);
        assert_eq!(releases.pop_due(now), None);
        assert_eq!(releases.next_timeout(), Some(now + OUTLIVED));
        assert_eq!(releases.pop_due(now + OUTLIVED), Some(PORT));
        releases.add(WORKER, PORT, now);
        releases.take_back(PORT);
        assert_eq!(releases.pop_due(now + OUTLIVED), None);
        releases.add(WORKER, PORT, now);
        releases.forget(WORKER);
        assert_eq!(releases.next_timeout(), None);
    }
}
