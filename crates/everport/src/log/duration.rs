//! Durations as people read them.

use std::fmt;
use std::time::Duration;

/// Displays a duration with the precision that matters: `0.4 ms`, `41 ms`, `1.2 s`, `30 s`, `5 min 30 s`.
pub(super) struct Readable(pub(super) Duration);

impl fmt::Display for Readable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_micros();
        match micros {
            0 => f.write_str("0 ms"),
            1..1_000 => write!(f, "{:.1} ms", self.0.as_secs_f64() * 1e3),
            1_000..1_000_000 => write!(f, "{} ms", micros / 1_000),
            1_000_000..10_000_000 => write_tenths(f, self.0),
            10_000_000..120_000_000 => write!(f, "{} s", self.0.as_secs()),
            _ => write_minutes(f, self.0.as_secs()),
        }
    }
}

fn write_tenths(f: &mut fmt::Formatter<'_>, duration: Duration) -> fmt::Result {
    match duration.subsec_millis() / 100 {
        0 => write!(f, "{} s", duration.as_secs()),
        tenths => write!(f, "{}.{tenths} s", duration.as_secs()),
    }
}

fn write_minutes(f: &mut fmt::Formatter<'_>, seconds: u64) -> fmt::Result {
    match (seconds / 60, seconds % 60) {
        (minutes, 0) => write!(f, "{minutes} min"),
        (minutes, seconds) => write!(f, "{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_precision_that_matters() {
        let check = |micros: u64, expected: &str| {
            let duration = Duration::from_micros(micros);
            assert_eq!(Readable(duration).to_string(), expected, "{duration:?}");
        };
        check(0, "0 ms");
        check(430, "0.4 ms");
        check(41_900, "41 ms");
        check(999_999, "999 ms");
        check(1_000_000, "1 s");
        check(1_249_000, "1.2 s");
        check(30_000_000, "30 s");
        check(60_500_000, "60 s");
        check(120_000_000, "2 min");
        check(330_000_000, "5 min 30 s");
    }
}
