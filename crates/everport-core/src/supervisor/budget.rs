//! The deaths of a slot within the budget's period.

use alloc::collections::VecDeque;

use crate::{Budget, Timestamp};

const MOST_REMEMBERED: u32 = 1000; // a policy that tolerates more deaths than this means "always"

/// The moments of a slot's latest deaths: at most one more than the budget tolerates.
#[derive(Debug, Default)]
pub(super) struct Deaths {
    times: VecDeque<Timestamp>,
    said: bool,
}

impl Deaths {
    /// Takes note of a death. `Some` with the count when it is the first one of this episode beyond the
    /// budget.
    pub(super) fn record(&mut self, now: Timestamp, budget: &Budget) -> Option<u32> {
        let tolerated = budget.intensity.min(MOST_REMEMBERED);
        self.times.push_back(now);
        while let Some(first) = self.times.front()
            && now - *first > budget.period
        {
            self.times.pop_front();
        }
        if self.times.len() <= tolerated as usize {
            return None;
        }
        self.times.pop_front();
        let first_of_episode = !self.said;
        self.said = true;
        first_of_episode.then_some(tolerated + 1)
    }

    /// Whether the slot is crash-looping. The episode ends when the slot's past is forgotten.
    pub(super) fn is_looping(&self) -> bool {
        self.said
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_duration(Duration::from_secs(seconds))
    }

    #[test]
    fn more_than_the_intensity_is_said_once() {
        let mut deaths = Deaths::default();
        let budget = Budget::default();
        for second in 0..5 {
            assert_eq!(deaths.record(at(second), &budget), None);
        }
        assert!(!deaths.is_looping());
        assert_eq!(deaths.record(at(60), &budget), Some(6));
        assert_eq!(deaths.record(at(60), &budget), None);
        assert!(deaths.is_looping());
    }

    #[test]
    fn deaths_older_than_the_period_do_not_count() {
        let mut deaths = Deaths::default();
        let budget = Budget::default();
        for second in 0..100 {
            assert_eq!(deaths.record(at(second * 13), &budget), None);
        }
    }
}
