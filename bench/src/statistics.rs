//! Quantiles of samples, and how far the median can be trusted.

use std::time::Duration;

/// Measured values, sorted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    sorted: Vec<f64>,
}

/// A median with the bounds of its 95 % confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

/// A median, and the quartiles that enclose the middle half of all values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) first: f64,
    pub(crate) median: f64,
    pub(crate) third: f64,
}

impl Sample {
    pub(crate) fn millis(durations: &[Duration]) -> Self {
        durations.iter().map(|duration| millis(*duration)).collect()
    }

    /// The value that this share (0 to 1) of all values does not exceed, by nearest rank; NaN when there
    /// is none.
    pub(crate) fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.sorted.len() as f64).ceil() as usize;
        let index = rank.saturating_sub(1);
        self.sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn max(&self) -> f64 {
        self.quantile(1.0)
    }

    /// The mean of the two middle values if their number is even; NaN when there is none.
    pub(crate) fn median(&self) -> f64 {
        let count = self.sorted.len();
        let Some(upper) = self.sorted.get(count / 2) else {
            return f64::NAN;
        };
        let lower = &self.sorted[(count - 1) / 2];
        f64::midpoint(*lower, *upper)
    }

    /// The ratios of values that were taken in pairs.
    pub(crate) fn ratios(
        of: impl IntoIterator<Item = f64>,
        to: impl IntoIterator<Item = f64>,
    ) -> Self {
        let pairs = of.into_iter().zip(to);
        pairs.map(|(of, to)| of / to).collect()
    }

    /// The median between the least and the greatest: what must hold for each of few values.
    pub(crate) fn range(&self) -> Interval {
        Interval {
            low: self.quantile(0.0),
            median: self.median(),
            high: self.max(),
        }
    }

    pub(crate) fn spread(&self) -> Spread {
        Spread {
            first: self.quantile(0.25),
            median: self.median(),
            third: self.quantile(0.75),
        }
    }

    /// The median between the two order statistics that enclose the true one in 95 % of all experiments,
    /// however the values are distributed. Fewer than six values can promise nothing.
    pub(crate) fn median_interval(&self) -> Interval {
        let bounds = outermost_values(self.sorted.len()).map(|rank| {
            let last = self.sorted.len() - rank;
            (self.sorted[rank - 1], self.sorted[last])
        });
        let (low, high) = bounds.unwrap_or((f64::NEG_INFINITY, f64::INFINITY));
        Interval {
            low,
            median: self.median(),
            high,
        }
    }
}

impl FromIterator<f64> for Sample {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        Self { sorted }
    }
}

impl Interval {
    /// A value that is counted, not estimated.
    pub(crate) fn exact(value: f64) -> Self {
        Self {
            low: value,
            median: value,
            high: value,
        }
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

pub(crate) fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// The greatest rank, counted from 1, such that the values of this rank from below and from above enclose
/// the median in 95 % of all experiments: the number of values below the true median follows a binomial
/// distribution with ½.
fn outermost_values(count: usize) -> Option<usize> {
    let mut probability = 0.5_f64.powi(i32::try_from(count).unwrap_or(i32::MAX));
    let mut at_most = probability;
    let mut rank = 0;
    while at_most <= TAIL && rank < count / 2 {
        rank += 1;
        probability *= (count - rank + 1) as f64 / rank as f64;
        at_most += probability;
    }
    (rank > 0).then_some(rank)
}

/// Half of what 95 % leave.
const TAIL: f64 = 0.025;

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(count: u32) -> Sample {
        (1..=count).rev().map(f64::from).collect()
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let sample = numbers(1000);
        assert_eq!(sample.quantile(0.5), 500.0);
        assert_eq!(sample.quantile(0.99), 990.0);
        assert_eq!(sample.quantile(0.999), 999.0);
        assert_eq!(sample.max(), 1000.0);
        assert_eq!(numbers(1).quantile(0.01), 1.0);
    }

    #[test]
    fn the_median_lies_in_the_middle() {
        assert_eq!(numbers(5).median(), 3.0);
        assert_eq!(numbers(6).median(), 3.5);
    }

    #[test]
    fn the_middle_half_lies_between_the_quartiles() {
        let Spread {
            first,
            median,
            third,
        } = numbers(16).spread();
        assert_eq!((first, median, third), (4.0, 8.5, 12.0));
    }

    #[test]
    fn a_range_holds_every_value() {
        let Interval { low, median, high } = numbers(5).range();
        assert_eq!((low, median, high), (1.0, 3.0, 5.0));
    }

    #[test]
    fn ratios_are_those_of_the_pairs() {
        let ratios = Sample::ratios([1.0, 20.0, 300.0], [2.0, 40.0, 600.0]);
        assert_eq!(ratios.range(), Interval::exact(0.5));
    }

    #[test]
    fn nothing_measured_gives_no_number() {
        let empty = Sample::default();
        assert!(empty.median().is_nan() && empty.max().is_nan());
        assert!(empty.median_interval().median.is_nan());
    }

    /// The ranks that tables of the sign test's confidence intervals give.
    #[test]
    fn the_interval_of_the_median_is_that_of_the_tables() {
        let check = |count: u32, low: f64, high: f64| {
            let interval = numbers(count).median_interval();
            assert_eq!((interval.low, interval.high), (low, high), "of {count}");
        };
        check(1, f64::NEG_INFINITY, f64::INFINITY);
        check(5, f64::NEG_INFINITY, f64::INFINITY);
        check(6, 1.0, 6.0);
        check(9, 2.0, 8.0);
        check(15, 4.0, 12.0);
        check(20, 6.0, 15.0);
        check(100, 40.0, 61.0);
        check(1000, 469.0, 532.0);
    }
}
