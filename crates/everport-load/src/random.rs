//! Seeded random numbers for the clients' pauses.

use std::time::Duration;

/// SplitMix64: one word of state, and good enough to spread pauses.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// Each client of a load has a sequence of its own.
    pub(crate) fn new(seed: u64, client: u64) -> Self {
        Self(seed ^ client.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// A duration from zero to `longest`, evenly distributed.
    pub(crate) fn duration_up_to(&mut self, longest: Duration) -> Duration {
        // The upper 53 bits are what a double holds exactly.
        let fraction = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        longest.mul_f64(fraction)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::Random;
    use std::time::Duration;

    #[test]
    fn pauses_repeat_with_the_seed_and_fill_their_range() {
        let longest = Duration::from_millis(10);
        let pauses = |seed, client| -> Vec<_> {
            let mut random = Random::new(seed, client);
            (0..1000).map(|_| random.duration_up_to(longest)).collect()
        };
        assert_eq!(pauses(1, 1), pauses(1, 1));
        assert_ne!(pauses(1, 1), pauses(1, 2));
        assert_ne!(pauses(1, 1), pauses(2, 1));
        assert!(pauses(1, 1).iter().all(|pause| *pause <= longest));
        let mean = pauses(1, 1).iter().sum::<Duration>() / 1000;
        assert!(mean > longest * 2 / 5 && mean < longest * 3 / 5, "{mean:?}");
    }
}
