//! Lifetimes on the command line: seconds, or with units.

use std::time::Duration;

/// A worker that lives shorter than this is replaced for most of its life.
const SHORTEST: Duration = Duration::from_secs(1);

/// Why a text is not a lifetime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum LifetimeError {
    #[error("not a time (give one like 90m, 12h or 7d, or seconds)")]
    NotATime,
    #[error("shorter than a second, so that workers would only be replaced (give one like 12h)")]
    TooShort,
}

/// A lifetime of at least a second.
pub(super) fn parse(text: &str) -> Result<Duration, LifetimeError> {
    let lifetime = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => humantime::parse_duration(text).map_err(|_| LifetimeError::NotATime)?,
    };
    if lifetime < SHORTEST {
        return Err(LifetimeError::TooShort);
    }
    Ok(lifetime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_seconds_or_have_units() {
        let check =
            |text, seconds| assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        check("90", 90);
        check("90m", 5400);
        check("12h", 43_200);
        check("1d 2h", 93_600);
    }

    #[test]
    fn lifetimes_that_make_no_sense_are_refused() {
        for text in ["", "-1", "soon", "1.5", "inf"] {
            assert_eq!(parse(text), Err(LifetimeError::NotATime), "{text}");
        }
        assert_eq!(parse("0"), Err(LifetimeError::TooShort));
        assert_eq!(parse("500ms"), Err(LifetimeError::TooShort));
    }
}
