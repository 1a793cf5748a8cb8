//! Numbers of things on the command line.

use std::ops::RangeInclusive;
use std::str::FromStr;

/// More workers than any machine of today has use for: such a number is a slip.
const MOST_WORKERS: u32 = 4096;

/// Why a text is not a number of what is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum CountError {
    #[error("not a number of workers (give one from 1 to {MOST_WORKERS})")]
    Workers,
    #[error("not a number of connections (give one from 1 on, like 10000)")]
    Connections,
    #[error("not a number of files (give one from 1 on, like 7)")]
    Files,
}

/// A number of workers: at least one, and not absurdly many.
pub(super) fn parse(text: &str) -> Result<u32, CountError> {
    within(text, 1..=MOST_WORKERS).ok_or(CountError::Workers)
}

/// A number of connections.
pub(super) fn parse_connections(text: &str) -> Result<u64, CountError> {
    within(text, 1..=u64::MAX).ok_or(CountError::Connections)
}

/// A number of files.
pub(super) fn parse_files(text: &str) -> Result<u32, CountError> {
    within(text, 1..=u32::MAX).ok_or(CountError::Files)
}

fn within<N: FromStr + PartialOrd>(text: &str, range: RangeInclusive<N>) -> Option<N> {
    text.parse().ok().filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_the_range_are_taken_and_nothing_else() {
        assert_eq!(parse("1"), Ok(1));
        assert_eq!(parse("4096"), Ok(4096));
        for text in ["0", "-1", "4097", "many", "", "1.5", "99999999999"] {
            assert_eq!(parse(text), Err(CountError::Workers), "{text}");
        }
    }

    #[test]
    fn nothing_is_no_limit() {
        assert_eq!(parse_connections("10000"), Ok(10_000));
        assert_eq!(parse_files("7"), Ok(7));
        for text in ["0", "-1", "ten", "99999999999999999999"] {
            assert_eq!(parse_connections(text), Err(CountError::Connections));
            assert_eq!(parse_files(text), Err(CountError::Files));
        }
    }
}
