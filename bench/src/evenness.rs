//! How even shares are, and how even they would be if dice decided.

use crate::statistics::Sample;

/// How many connections each worker has got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shares(Vec<u64>);

impl Shares {
    pub(crate) fn new(counts: Vec<u64>) -> Self {
        Self(counts)
    }

    /// Those that were seen, and none for each worker that was not.
    pub(crate) fn of_workers(seen: impl IntoIterator<Item = u64>, workers: usize) -> Self {
        let mut counts: Vec<u64> = seen.into_iter().collect();
        counts.resize(workers.max(counts.len()), 0);
        Self(counts)
    }

    pub(crate) fn least(&self) -> f64 {
        self.0.iter().min().map_or(f64::NAN, |least| *least as f64)
    }

    pub(crate) fn most(&self) -> f64 {
        self.0.iter().max().map_or(f64::NAN, |most| *most as f64)
    }

    pub(crate) fn sum(&self) -> f64 {
        self.0.iter().sum::<u64>() as f64
    }

    /// How much more the busiest has than it would if all had the same: 1 is even.
    pub(crate) fn greatest_to_mean(&self) -> f64 {
        self.most() / self.mean()
    }

    /// The coefficient of variation: 0 is even.
    pub(crate) fn deviation_to_mean(&self) -> f64 {
        let squares = self
            .0
            .iter()
            .map(|count| (*count as f64 - self.mean()).powi(2));
        let variance = squares.sum::<f64>() / self.0.len() as f64;
        variance.sqrt() / self.mean()
    }

    fn mean(&self) -> f64 {
        self.sum() / self.0.len() as f64
    }
}

/// What comes of it when each connection goes to any worker with the same probability.
#[derive(Debug)]
pub(crate) struct Fair {
    /// The least and the most that one worker has, as half of all throws have them.
    pub(crate) range: [f64; 2],
    /// As half of all throws have it, and what 95 % do not exceed.
    pub(crate) greatest_to_mean: [f64; 2],
    /// The same.
    pub(crate) deviation_to_mean: [f64; 2],
}

impl Fair {
    /// How often the dice are thrown: enough for two decimals.
    pub(crate) const THROWS: u32 = 2001;

    pub(crate) fn of(connections: u64, workers: usize) -> Self {
        let mut dice = Dice(1);
        let throws: Vec<Shares> = (0..Self::THROWS)
            .map(|_| dice.throw(connections, workers))
            .collect();
        let of = |value: fn(&Shares) -> f64| throws.iter().map(value).collect::<Sample>();
        let usual = |sample: Sample| [sample.median(), sample.quantile(0.95)];
        Self {
            range: [of(Shares::least).median(), of(Shares::most).median()],
            greatest_to_mean: usual(of(Shares::greatest_to_mean)),
            deviation_to_mean: usual(of(Shares::deviation_to_mean)),
        }
    }
}

/// Numbers that look random and are the same in each run: Marsaglia's xorshift.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, connections: u64, workers: usize) -> Shares {
        let mut counts = vec![0; workers];
        for _ in 0..connections {
            counts[self.below(workers)] += 1;
        }
        Shares(counts)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The high bits are the better ones.
        (self.0 >> 32) as usize % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_shares_are_even_and_one_for_all_is_not() {
        let even = Shares::new(vec![5, 5, 5, 5]);
        assert_eq!(
            (even.greatest_to_mean(), even.deviation_to_mean()),
            (1.0, 0.0)
        );
        let one = Shares::of_workers([20], 4);
        assert_eq!((one.least(), one.most()), (0.0, 20.0));
        assert_eq!(one.greatest_to_mean(), 4.0);
        assert!((one.deviation_to_mean() - 3.0_f64.sqrt()).abs() < 1e-9);
    }

    /// The square of the deviation to mean, times `n`, is distributed like χ² with 3 degrees of freedom for 4 workers; its
    /// median is 2.366, and 95 % are below 7.815.
    #[test]
    fn dice_are_as_fair_as_tables_say() {
        let fair = Fair::of(1000, 4);
        let expected = [2.366_f64, 7.815].map(|quantile| (quantile / 1000.0).sqrt());
        for (thrown, expected) in fair.deviation_to_mean.iter().zip(expected) {
            assert!((thrown / expected - 1.0).abs() < 0.05, "{fair:?}");
        }
        assert!(fair.range[0] < 250.0 && fair.range[1] > 250.0, "{fair:?}");
    }
}
