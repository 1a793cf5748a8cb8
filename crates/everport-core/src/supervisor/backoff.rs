//! How long a slot waits before its next spawn attempt.

use core::time::Duration;

use super::jitter::Jitter;
use crate::Backoff;

impl Backoff {
    /// The delay after the `failures`-th failed attempt in a row: none after the first, then `base`
    /// doubling up to `cap`, each shortened by jitter to between 50 % and 100 %.
    pub(super) fn delay(&self, failures: u32, jitter: &mut Jitter) -> Duration {
        match failures {
            0 | 1 => Duration::ZERO,
            more => jitter.shorten(self.nominal(more - 2), 2),
        }
    }

    fn nominal(&self, doublings: u32) -> Duration {
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.cap)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nominal(failures: u32) -> Duration {
        Backoff::default().nominal(failures)
    }

    #[test]
    fn it_doubles_from_the_base_to_the_cap() {
        assert_eq!(nominal(0), Duration::from_millis(100));
        assert_eq!(nominal(1), Duration::from_millis(200));
        assert_eq!(nominal(8), Duration::from_millis(25_600));
        assert_eq!(nominal(9), Duration::from_secs(30));
        assert_eq!(nominal(31), Duration::from_secs(30));
        assert_eq!(nominal(u32::MAX), Duration::from_secs(30));
    }

    #[test]
    fn the_first_retry_comes_at_once() {
        let mut jitter = Jitter::new(1);
        assert_eq!(Backoff::default().delay(1, &mut jitter), Duration::ZERO);
        assert!(Backoff::default().delay(2, &mut jitter) >= Duration::from_millis(50));
    }
}
