//! A log-linear histogram of durations.

use std::fmt;
use std::time::Duration;

/// Durations counted in buckets that are at most 1/128 of their value wide; the greatest is kept exactly.
#[derive(Debug, Clone, Default)]
pub struct Latency {
    /// Grows to the bucket of the greatest duration: 7,424 buckets at most, for any `u64` of nanoseconds.
    buckets: Vec<u64>,
    count: u64,
    sum_nanos: u128,
    max_nanos: u64,
}

impl Latency {
    /// Counts one duration.
    pub fn record(&mut self, duration: Duration) {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = bucket_of(nanos);
        if bucket >= self.buckets.len() {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] += 1;
        self.count += 1;
        self.sum_nanos += u128::from(nanos);
        self.max_nanos = self.max_nanos.max(nanos);
    }

    /// The duration that `percent` of all do not exceed, at most 1/128 too great; zero when there is none.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Duration {
        let wanted = (self.count as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return Duration::from_nanos(greatest_in(bucket).min(self.max_nanos));
            }
        }
        self.max()
    }

    /// How many durations are longer than `bound`; those in the bucket of `bound` itself do not count.
    #[must_use]
    pub fn count_above(&self, bound: Duration) -> u64 {
        let nanos = u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX);
        self.buckets.iter().skip(bucket_of(nanos) + 1).sum()
    }

    /// The greatest duration, exactly.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_nanos)
    }

    /// The arithmetic mean; zero when there is none.
    #[must_use]
    pub fn mean(&self) -> Duration {
        let mean = self.sum_nanos / u128::from(self.count.max(1));
        // The mean is not greater than the greatest value, which fits.
        Duration::from_nanos(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for percent in [50.0, 90.0, 99.0, 99.9] {
            write!(f, "p{percent} {:.3} ms  ", millis(self.percentile(percent)))?;
        }
        write!(f, "max {:.3} ms", millis(self.max()))
    }
}

pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn bucket_of(nanos: u64) -> usize {
    let shift = (63 - (nanos | 1).leading_zeros()).saturating_sub(PRECISION_BITS);
    // Both parts are small: the shift is at most 56, and what is left of the value is below 256.
    (shift as usize * SUB_BUCKETS) + (nanos >> shift) as usize
}

fn greatest_in(bucket: usize) -> u64 {
    let shift = (bucket / SUB_BUCKETS).saturating_sub(1);
    let step = (bucket - shift * SUB_BUCKETS) as u64;
    (step << shift) + ((1 << shift) - 1)
}

/// Seven bits keep the error below 0.8 %, less than any two runs differ.
const PRECISION_BITS: u32 = 7;
const SUB_BUCKETS: usize = 1 << PRECISION_BITS;

#[cfg(test)]
mod tests {
    use super::{Latency, bucket_of, greatest_in};
    use std::time::Duration;

    #[test]
    fn a_value_lies_in_its_bucket_and_the_bucket_is_narrow() {
        let mut nanos = 1_u64;
        while nanos < u64::MAX / 6 {
            for value in [nanos - 1, nanos, nanos + 1] {
                let bucket = bucket_of(value);
                let greatest = greatest_in(bucket);
                assert!(value <= greatest, "{value} {bucket} {greatest}");
                assert!(
                    greatest - value <= value / 128,
                    "{value} {bucket} {greatest}"
                );
                assert_eq!(bucket_of(greatest), bucket);
                assert_eq!(bucket_of(greatest + 1), bucket + 1);
            }
            nanos = nanos * 5 / 3 + 1;
        }
        assert_eq!(greatest_in(bucket_of(u64::MAX)), u64::MAX);
    }

    #[test]
    fn percentiles_split_the_values_where_they_say() {
        let mut latency = Latency::default();
        for millis in 1..=1000 {
            latency.record(Duration::from_millis(millis));
        }
        for (percent, millis) in [
            (50.0, 500),
            (90.0, 900),
            (99.0, 990),
            (99.9, 999),
            (100.0, 1000),
        ] {
            let exact = Duration::from_millis(millis);
            let found = latency.percentile(percent);
            assert!(
                found >= exact && found <= exact + exact / 128,
                "p{percent}: {found:?}"
            );
        }
        assert_eq!(latency.max(), Duration::from_secs(1));
        assert_eq!(latency.mean(), Duration::from_micros(500_500));
        let above = latency.count_above(Duration::from_millis(900));
        assert!((93..=100).contains(&above), "{above}");
    }

    #[test]
    fn an_empty_histogram_is_all_zero() {
        let latency = Latency::default();
        assert_eq!(latency.percentile(99.0), Duration::ZERO);
        assert_eq!(latency.mean(), Duration::ZERO);
        assert_eq!(latency.count_above(Duration::ZERO), 0);
    }
}
