//! The cluster's name: the watcher's process title and its name in the log.

/// More would push the text out of the log's columns.
const LONGEST: usize = 32;

/// Why a text is not a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameError {
    #[error("a name has at least one character")]
    Empty,
    #[error("a name has at most 32 characters")]
    TooLong,
    #[error("a name has no blanks and no control characters (use `-` or `_`)")]
    Blank,
}

/// The text, if it can stand in a column of the log.
pub(super) fn parse(text: &str) -> Result<String, NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.chars().count() > LONGEST {
        return Err(NameError::TooLong);
    }
    if text.chars().any(|it| it.is_whitespace() || it.is_control()) {
        return Err(NameError::Blank);
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_word() {
        let check = |text: &str, expected: Result<&str, NameError>| {
            assert_eq!(parse(text), expected.map(str::to_owned), "{text:?}");
        };
        check("shop", Ok("shop"));
        check("größe-2", Ok("größe-2"));
        check("", Err(NameError::Empty));
        check("a b", Err(NameError::Blank));
        check("a\x1b", Err(NameError::Blank));
        check(&"x".repeat(33), Err(NameError::TooLong));
    }
}
