//! Two counts in one: of what goes on, and of what has ended.

use std::sync::atomic::{AtomicU64, Ordering};

/// Each thing that is counted is in one of the counts at any moment, and never in both: the lower half counts what
/// goes on, the upper half what has ended.
#[derive(Debug)]
pub(super) struct Tally(AtomicU64);

/// What a tally says at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) going_on: u32,
    pub(super) ended: u32,
}

const ENDED: u64 = 1 << 32;

impl Tally {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub(super) fn begin(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    /// One has ended, and is counted as such if it `matters`. Says how many go on.
    pub(super) fn end(&self, matters: bool) -> u32 {
        let before = if matters {
            self.0.fetch_add(ENDED - 1, Ordering::SeqCst)
        } else {
            self.0.fetch_sub(1, Ordering::SeqCst)
        };
        Counts::from(before).going_on - 1
    }

    pub(super) fn counts(&self) -> Counts {
        self.0.load(Ordering::SeqCst).into()
    }
}

impl From<u64> for Counts {
    fn from(both: u64) -> Self {
        Self {
            going_on: (both % ENDED) as u32, // the lower half
            ended: (both / ENDED) as u32,
        }
    }
}

impl Counts {
    pub(super) fn all(self) -> u32 {
        self.going_on.saturating_add(self.ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_moves_from_one_count_to_the_other_if_it_matters() {
        let tally = Tally::new();
        for _ in 0..3 {
            tally.begin();
        }
        assert_eq!(tally.end(false), 2);
        assert_eq!(tally.end(true), 1);
        let expected = Counts {
            going_on: 1,
            ended: 1,
        };
        assert_eq!(tally.counts(), expected);
        assert_eq!(expected.all(), 2);
    }
}
