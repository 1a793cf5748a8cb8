//! The last lines a worker printed to standard error, or the last errors it logged, kept for the report of its death.

use std::collections::VecDeque;

/// How many lines a report of a death shows: a panic and a few lines before it.
pub(in crate::watcher) const LINES: usize = 10;

/// How much of each is kept, in bytes: the whole line is in the stream.
const LONGEST: usize = 512;

/// The last lines, bounded in number and length.
#[derive(Debug, Default)]
pub(in crate::watcher) struct LastLines {
    lines: VecDeque<String>,
    inside_line: bool,
}

impl LastLines {
    /// Keeps a piece of a line if it is the line's first and not blank.
    pub(in crate::watcher) fn push(&mut self, text: &str, continues: bool) {
        let is_first_piece = !self.inside_line;
        self.inside_line = continues;
        if !is_first_piece || text.trim().is_empty() {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(shortened(text, continues));
    }

    /// Them, oldest first.
    pub(in crate::watcher) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}

fn shortened(text: &str, continues: bool) -> String {
    if text.len() <= LONGEST && !continues {
        return text.to_owned();
    }
    let mut cut = LONGEST.min(text.len());
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    format!("{}…", &text[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut last = LastLines::default();
        for number in 0..25 {
            last.push(&format!("line {number}"), false);
            last.push("  ", false);
        }
        let lines = last.lines();
        assert_eq!(lines.len(), LINES);
        assert_eq!(lines[0], "line 15");
        assert_eq!(lines[9], "line 24");
    }

    #[test]
    fn a_long_line_is_kept_by_its_beginning_once() {
        let mut last = LastLines::default();
        last.push(&"é".repeat(300), true);
        last.push("its end", false);
        last.push("short", false);
        assert_eq!(
            last.lines(),
            [format!("{}…", "é".repeat(256)), "short".to_owned()]
        );
    }
}
