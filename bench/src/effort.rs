//! How much is measured.

use std::time::Duration;

/// What the command line asks for; each scenario has its own defaults.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Effort {
    /// How often each measurement is made
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_ROUNDS))]
    rounds: Option<u32>,

    /// How long each measurement takes, where that can be chosen
    #[arg(long, value_name = "S", value_parser = seconds)]
    seconds: Option<Duration>,

    /// Measures whatever build this is and builds nothing, and only as much as shows that it works: what is lost means
    /// something, times do not
    #[arg(long)]
    any_build: bool,
}

impl Effort {
    /// Whether it is only to be shown that everything works.
    pub(crate) fn is_brief(self) -> bool {
        self.any_build
    }

    pub(crate) fn rounds(self, default: u32) -> u32 {
        self.rounds.unwrap_or(default)
    }

    pub(crate) fn seconds(self, default: Duration) -> Duration {
        self.seconds.unwrap_or(default)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let in_range = |seconds: &f64| (LEAST_SECONDS..=MOST_SECONDS).contains(seconds);
    let seconds: Option<f64> = text.parse().ok().filter(in_range);
    let wrong = || format!("{text:?}: give seconds from {LEAST_SECONDS} to {MOST_SECONDS}");
    seconds.map(Duration::from_secs_f64).ok_or_else(wrong)
}

/// More only takes longer: the statistics are exact up to here.
const MOST_ROUNDS: i64 = 1000;
/// Shorter measurements measure their own beginning.
const LEAST_SECONDS: f64 = 0.1;
/// An hour each is more than anybody waits for.
const MOST_SECONDS: f64 = 3600.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_out_of_range_are_refused() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for text in ["0", "-1", "nan", "inf", "4000", "ten"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
