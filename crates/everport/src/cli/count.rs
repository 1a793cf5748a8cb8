//! Numbers of workers on the command line.

/// More workers than any machine of today has use for: such a number is a slip.
const MOST_WORKERS: u32 = 4096;

/// Why a text is not a number of workers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a number of workers (give one from 1 to {MOST_WORKERS})")]
pub(super) struct CountError;

/// A number of workers: at least one, and not absurdly many.
pub(super) fn parse(text: &str) -> Result<u32, CountError> {
    match text.parse() {
        Ok(workers) if (1..=MOST_WORKERS).contains(&workers) => Ok(workers),
        _ => Err(CountError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_the_range_are_taken_and_nothing_else() {
        assert_eq!(parse("1"), Ok(1));
        assert_eq!(parse("4096"), Ok(4096));
        for text in ["0", "-1", "4097", "many", "", "1.5", "99999999999"] {
            assert_eq!(parse(text), Err(CountError), "{text}");
        }
    }
}
