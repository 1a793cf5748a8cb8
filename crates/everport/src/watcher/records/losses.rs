//! How many records a worker has dropped, told where they are missing and not more often than people can read.

use std::time::{Duration, Instant};

/// How long after one count the next may follow.
const BETWEEN: Duration = Duration::from_secs(1);

/// What is not told yet.
#[derive(Debug, Default)]
pub(super) struct Losses {
    count: u64,
    /// The position in the ring behind which the first of them is missing.
    from: u64,
    told: Option<Instant>,
}

impl Losses {
    /// Records were lost after those that were committed up to `head`.
    pub(super) fn note(&mut self, count: u64, head: u64) {
        if self.count == 0 {
            self.from = head;
        }
        self.count = self.count.saturating_add(count);
    }

    /// Whether there is something to tell.
    pub(super) fn is_owed(&self) -> bool {
        self.count > 0
    }

    /// The count, if it is to be told now that records were taken up to `tail`.
    pub(super) fn take(&mut self, tail: u64, now: Instant) -> Option<u64> {
        // Positions go round, but two of one ring are never far apart.
        let is_reached = self.from.wrapping_sub(tail) as i64 <= 0;
        let is_early = |told: Instant| now.saturating_duration_since(told) < BETWEEN;
        if !is_reached || self.told.is_some_and(is_early) {
            return None;
        }
        self.take_last().inspect(|_| self.told = Some(now))
    }

    /// The count, if there is one, because nothing follows.
    pub(super) fn take_last(&mut self) -> Option<u64> {
        let count = std::mem::take(&mut self.count);
        (count > 0).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_told_where_they_are_and_then_once_a_second() {
        let mut losses = Losses::default();
        let now = Instant::now();
        assert_eq!(losses.take(0, now), None);
        losses.note(2, 100);
        losses.note(1, 150);
        assert_eq!(losses.take(99, now), None);
        assert_eq!(losses.take(100, now), Some(3));
        assert!(!losses.is_owed());
        losses.note(4, 200);
        assert_eq!(losses.take(300, now + BETWEEN / 2), None);
        assert!(losses.is_owed());
        losses.note(1, 400);
        assert_eq!(losses.take(300, now + BETWEEN), Some(5));
        losses.note(6, 500);
        assert_eq!(losses.take_last(), Some(6));
        assert_eq!(losses.take_last(), None);
    }

    #[test]
    fn positions_go_round() {
        let mut losses = Losses::default();
        losses.note(1, 5);
        assert_eq!(losses.take(u64::MAX - 5, Instant::now()), None);
        assert_eq!(losses.take(5, Instant::now()), Some(1));
    }
}
