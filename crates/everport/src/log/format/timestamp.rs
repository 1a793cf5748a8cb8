//! Writes times in UTC; the digits of a second are found once and used for every entry within it.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The last moment of the year 9999: what is later has more digits than a column.
const LATEST: Duration = Duration::new(253_402_300_799, 999_999_999);

/// How many bytes of `2026-11-22T11:41:51Z` stand before the fraction.
const BEFORE_FRACTION: usize = 19;

/// Writes times, which may be anything: those before 1970 and after 9999 are shown as the nearest that has four digits.
#[derive(Debug, Clone)]
pub(super) struct Timestamp {
    /// Whose digits these are, in seconds since 1970.
    second: u64,
    digits: [u8; BEFORE_FRACTION + 1],
}

impl Default for Timestamp {
    fn default() -> Self {
        Self {
            second: 0,
            digits: *b"1970-01-01T00:00:00Z",
        }
    }
}

impl Timestamp {
    /// Appends a time with milliseconds: `2026-11-22T11:41:51.358Z`.
    pub(super) fn push_millis(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let at = self.find_second(at);
        self.push_with_fraction::<3>(out, at.subsec_millis());
    }

    /// Appends a time with microseconds: `2026-11-22T11:41:51.358123Z`.
    pub(super) fn push_micros(&mut self, out: &mut Vec<u8>, at: SystemTime) {
        let at = self.find_second(at);
        self.push_with_fraction::<6>(out, at.subsec_micros());
    }

    /// Finds the digits of a time's second; returns the time since 1970.
    fn find_second(&mut self, at: SystemTime) -> Duration {
        let since_1970 = at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let since_1970 = since_1970.min(LATEST);
        let second = since_1970.as_secs();
        if second != self.second {
            let whole = UNIX_EPOCH + Duration::from_secs(second);
            let whole = humantime::format_rfc3339_seconds(whole);
            let written = write!(self.digits.as_mut_slice(), "{whole}");
            debug_assert!(written.is_ok(), "every such time has four digits of year");
            self.second = second;
        }
        since_1970
    }

    /// Appends the second, a point, the last `DIGITS` digits of the number, and the sign of UTC.
    fn push_with_fraction<const DIGITS: usize>(&self, out: &mut Vec<u8>, mut number: u32) {
        let mut fraction = [b'0'; DIGITS];
        for digit in fraction.iter_mut().rev() {
            *digit += (number % 10) as u8; // a single digit
            number /= 10;
        }
        out.extend_from_slice(&self.digits[..BEFORE_FRACTION]);
        out.push(b'.');
        out.extend_from_slice(&fraction);
        out.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(timestamp: &mut Timestamp, at: SystemTime, expected: &str) {
        let mut out = Vec::new();
        timestamp.push_micros(&mut out, at);
        assert_eq!(out, expected.as_bytes());
    }

    #[test]
    fn a_second_is_found_anew_when_it_changes() {
        let mut timestamp = Timestamp::default();
        let at = |micros| UNIX_EPOCH + Duration::from_micros(micros);
        check(&mut timestamp, at(7), "1970-01-01T00:00:00.000007Z");
        check(
            &mut timestamp,
            at(1_767_323_045_678_901),
            "2026-01-02T03:04:05.678901Z",
        );
        check(
            &mut timestamp,
            at(1_767_323_045_999_999),
            "2026-01-02T03:04:05.999999Z",
        );
        check(
            &mut timestamp,
            at(1_767_323_046_000_000),
            "2026-01-02T03:04:06.000000Z",
        );
        check(&mut timestamp, at(0), "1970-01-01T00:00:00.000000Z");
        let mut out = Vec::new();
        timestamp.push_millis(&mut out, at(1_767_323_045_678_901));
        assert_eq!(out, b"2026-01-02T03:04:05.678Z");
    }

    #[test]
    fn a_clock_far_from_now_breaks_no_column() {
        let mut timestamp = Timestamp::default();
        let before = UNIX_EPOCH - Duration::from_secs(1);
        check(&mut timestamp, before, "1970-01-01T00:00:00.000000Z");
        for after in [LATEST, LATEST * 2] {
            let after = UNIX_EPOCH + after;
            check(&mut timestamp, after, "9999-12-31T23:59:59.999999Z");
        }
    }
}
