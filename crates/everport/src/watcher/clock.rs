//! The supervisor's time: that of the system without those spans in which the watcher itself did not run.

use std::time::Duration;

use everport_core::Timestamp;
use tokio::time::Instant;

/// By how much the watcher may be late before it counts as not having run. A busy machine delays a process by
/// less, and whoever stops one leaves it so for longer.
const TOLERANCE: Duration = Duration::from_millis(500);

/// Longer than any wait; any clock can add it to now.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads the time, often enough that each gap is either a wait that was meant or one to leave out.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// What was left out so far.
    left_out: Duration,
    /// Not told yet.
    untold: Duration,
    /// When it was to be read again at the latest.
    expected: Instant,
}

impl Clock {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            left_out: Duration::ZERO,
            untold: Duration::ZERO,
            expected: now,
        }
    }

    /// The watcher is going to wait until then, or for whatever comes.
    pub(crate) fn wait_until(&mut self, now: Instant, planned: Option<Instant>) {
        self.read(now);
        self.expected = planned.unwrap_or(now + FOR_EVER).max(now);
    }

    /// The supervisor's time. When this comes much later than it should have, the watcher did not run.
    pub(crate) fn read(&mut self, now: Instant) -> Timestamp {
        let late = now.saturating_duration_since(self.expected);
        if late > TOLERANCE {
            self.left_out += late;
            self.untold += late;
        }
        self.expected = now;
        let running = now.saturating_duration_since(self.start);
        Timestamp::from_duration(running.saturating_sub(self.left_out))
    }

    /// When the supervisor's time will be this, if the watcher runs all the time.
    pub(crate) fn instant_of(&self, at: Timestamp) -> Instant {
        self.start + at.since_start() + self.left_out
    }

    /// For how long the watcher did not run, if that is news.
    pub(crate) fn take_gap(&mut self) -> Option<Duration> {
        let gap = std::mem::take(&mut self.untold);
        (!gap.is_zero()).then_some(gap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_wait_as_long_as_meant_counts_in_full() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.wait_until(start, Some(start + seconds(30)));
        let woken = start + seconds(30) + TOLERANCE;
        assert_eq!(clock.read(woken).since_start(), seconds(30) + TOLERANCE);
        clock.wait_until(woken, None);
        let woken = woken + seconds(3600);
        assert_eq!(clock.read(woken).since_start(), seconds(3630) + TOLERANCE);
        assert_eq!(clock.take_gap(), None);
    }

    #[test]
    fn what_goes_beyond_the_wait_does_not_count() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        clock.wait_until(start, Some(start + seconds(1)));
        assert_eq!(
            clock.read(start + seconds(61)).since_start(),
            seconds(1),
            "60 s were left out"
        );
        assert_eq!(clock.take_gap(), Some(seconds(60)));
        assert_eq!(clock.take_gap(), None);
        let at = Timestamp::from_duration(seconds(2));
        assert_eq!(clock.instant_of(at), start + seconds(62));
    }

    #[test]
    fn a_gap_between_two_readings_does_not_count_either() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        assert_eq!(
            clock.read(start + TOLERANCE).since_start(),
            TOLERANCE,
            "that is work"
        );
        assert_eq!(
            clock.read(start + TOLERANCE + seconds(9)).since_start(),
            TOLERANCE
        );
    }

    #[test]
    fn a_gap_right_before_a_wait_does_not_count_either() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        let stopped = start + seconds(9);
        clock.wait_until(stopped, Some(stopped + seconds(1)));
        let woken = stopped + seconds(1);
        assert_eq!(clock.read(woken).since_start(), seconds(1));
    }

    #[test]
    fn a_wait_that_was_over_before_it_began_is_no_gap_of_its_own() {
        let start = Instant::now();
        let mut clock = Clock::new(start);
        let late = start + seconds(5);
        clock.read(late);
        clock.wait_until(late, Some(start));
        clock.read(late);
        assert_eq!(clock.take_gap(), Some(seconds(5)));
    }
}
