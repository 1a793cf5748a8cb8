//! Where in a file something stands, and what is wrong there.

use std::fmt;

/// A line and a column, both counted from 1; the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    column: usize,
}

impl Position {
    /// Where the byte with this number stands.
    pub(crate) fn of(byte: usize, text: &str) -> Self {
        let before = &text.as_bytes()[..byte.min(text.len())];
        let begin = before
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let column = String::from_utf8_lossy(&before[begin..]).chars().count();
        Self {
            line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
            column: column + 1,
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// Something that is wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    pub(crate) at: Position,
    pub(crate) what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_are_those_that_an_editor_shows() {
        let text = "a = 1\nwörter = \"x\"\n";
        let check = |found: &str, expected: &str| {
            let byte = text.find(found).unwrap();
            assert_eq!(Position::of(byte, text).to_string(), expected, "{found}");
        };
        check("a", "1:1");
        check("1", "1:5");
        check("w", "2:1");
        check("\"x", "2:10");
        assert_eq!(Position::of(text.len(), text).to_string(), "3:1");
        assert_eq!(Position::of(999, text).to_string(), "3:1");
    }
}
