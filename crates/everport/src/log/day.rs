//! Days in UTC, by which log files are rotated and named.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SECONDS: u64 = 24 * 60 * 60;

/// The last day of the year 9999: later ones, as a damaged file system may tell, have no text of that length.
const LAST: u64 = 2_932_896;

/// A day in UTC: `2026-11-22`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day {
    since_1970: u64,
}

impl Day {
    /// How long its text is.
    pub(super) const LENGTH: usize = "2026-11-22".len();

    /// The day of a time; the first one there is for anything before 1970.
    pub(super) fn of(time: SystemTime) -> Self {
        let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            since_1970: (since_1970.as_secs() / SECONDS).min(LAST),
        }
    }

    /// The day of that text.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let start = humantime::parse_rfc3339(&format!("{text}T00:00:00Z")).ok()?;
        Some(Self::of(start))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = UNIX_EPOCH + Duration::from_secs(self.since_1970 * SECONDS);
        let time = humantime::format_rfc3339_seconds(start).to_string();
        f.write_str(time.get(..Self::LENGTH).unwrap_or(&time))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_a_text_that_is_read_again() {
        let at = UNIX_EPOCH + Duration::from_secs(1_795_391_999);
        let day = Day::of(at);
        assert_eq!(day.to_string(), "2026-11-22");
        assert_eq!(Day::parse("2026-11-22"), Some(day));
        assert!(Day::of(at + Duration::from_secs(1)) > day);
        assert_eq!(
            Day::of(UNIX_EPOCH - Duration::from_secs(1)).to_string(),
            "1970-01-01"
        );
    }

    #[test]
    fn a_day_that_is_too_far_away_is_the_last_one() {
        let far = UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 1000);
        assert_eq!(Day::of(far).to_string(), "9999-12-31");
    }

    #[test]
    fn other_texts_are_no_days() {
        for text in ["", "2026-13-01", "2026-02-30", "yesterday!", "2026-1-001"] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }
}
