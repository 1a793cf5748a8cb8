//! Seeded jitter, so that slots that died together do not come back together.

use core::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014),
/// with the constants of Vigna's public-domain `splitmix64.c`.
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Takes up to the `part`-th part of `nominal` away: a half, a tenth.
    pub(super) fn shorten(&mut self, nominal: Duration, part: u32) -> Duration {
        let most = u64::try_from((nominal / part).as_nanos()).unwrap_or(u64::MAX / 2);
        let taken = self.next() % most.saturating_add(1);
        nominal - Duration::from_nanos(taken)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // The first outputs of the reference implementation for the seed 1234567.
        let mut jitter = Jitter::new(1_234_567);
        assert_eq!(jitter.next(), 6_457_827_717_110_365_317);
        assert_eq!(jitter.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn it_takes_away_at_most_a_part() {
        let mut jitter = Jitter::new(7);
        let nominal = Duration::from_millis(100);
        let delays: [Duration; 1000] = core::array::from_fn(|_| jitter.shorten(nominal, 2));
        assert!(
            delays
                .iter()
                .all(|delay| *delay <= nominal && *delay >= nominal / 2)
        );
        assert!(delays.iter().any(|delay| *delay < nominal * 55 / 100));
        assert!(delays.iter().any(|delay| *delay > nominal * 95 / 100));
    }

    #[test]
    fn nothing_stays_nothing() {
        assert_eq!(Jitter::new(1).shorten(Duration::ZERO, 10), Duration::ZERO);
    }
}
