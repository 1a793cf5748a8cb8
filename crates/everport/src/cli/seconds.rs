//! Times on the command line: seconds, with fractions.

use std::time::Duration;

/// The longest time that is taken for one that was meant: a day.
const LONGEST: f64 = 86_400.0;

/// Why a text is not a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SecondsError {
    #[error("not a number of seconds (give one like 30 or 0.5)")]
    NotANumber,
    #[error("a time cannot be negative (give seconds from 0 to 86400)")]
    Negative,
    #[error("zero leaves no time at all (give seconds up to 86400, such as 30)")]
    Zero,
    #[error("longer than a day (give seconds from 0 to 86400)")]
    TooLong,
}

/// A time from nothing to a day.
pub(super) fn parse(text: &str) -> Result<Duration, SecondsError> {
    let seconds: f64 = text.parse().map_err(|_| SecondsError::NotANumber)?;
    match seconds {
        _ if seconds.is_nan() => Err(SecondsError::NotANumber),
        _ if seconds < 0.0 => Err(SecondsError::Negative),
        _ if seconds > LONGEST => Err(SecondsError::TooLong),
        _ => Duration::try_from_secs_f64(seconds).map_err(|_| SecondsError::NotANumber),
    }
}

/// A time up to a day that is not nothing.
pub(super) fn parse_positive(text: &str) -> Result<Duration, SecondsError> {
    match parse(text)? {
        Duration::ZERO => Err(SecondsError::Zero),
        time => Ok(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_seconds_with_fractions() {
        let check = |text, expected| assert_eq!(parse(text), expected, "{text}");
        check("30", Ok(Duration::from_secs(30)));
        check("0.25", Ok(Duration::from_millis(250)));
        check("0", Ok(Duration::ZERO));
        check("-0", Ok(Duration::ZERO));
        check("86400", Ok(Duration::from_secs(86_400)));
    }

    #[test]
    fn times_that_make_no_sense_are_refused() {
        let check = |text, expected| assert_eq!(parse(text), Err(expected), "{text}");
        check("-1", SecondsError::Negative);
        check("-inf", SecondsError::Negative);
        check("86401", SecondsError::TooLong);
        check("1e300", SecondsError::TooLong);
        check("inf", SecondsError::TooLong);
        check("nan", SecondsError::NotANumber);
        check("", SecondsError::NotANumber);
        check("30s", SecondsError::NotANumber);
        check("1,5", SecondsError::NotANumber);
    }

    #[test]
    fn a_time_to_boot_is_never_nothing() {
        assert_eq!(parse_positive("0"), Err(SecondsError::Zero));
        assert_eq!(parse_positive("0.0000000001"), Err(SecondsError::Zero));
        assert_eq!(parse_positive("1"), Ok(Duration::from_secs(1)));
    }
}
