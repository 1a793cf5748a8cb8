//! What is in a log file, by counting its lines.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

/// Records in a log file, and those that it says are missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) records: u64,
    pub(crate) lost: u64,
}

impl Counted {
    /// Reads a log in any form that is not coloured.
    pub(crate) fn read(path: &Path) -> io::Result<Self> {
        let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
        let (mut counted, mut line) = (Self::default(), Vec::new());
        while reader.read_until(b'\n', &mut line)? > 0 {
            counted.count(&line);
            line.clear();
        }
        Ok(counted)
    }

    fn count(&mut self, line: &[u8]) {
        let contains = |text: &[u8]| line.windows(text.len()).any(|window| window == text);
        if contains(MESSAGE) {
            self.records += 1;
        } else if contains(b" lost") {
            self.lost += lost(&String::from_utf8_lossy(line));
        }
    }
}

/// The records' own message.
const MESSAGE: &[u8] = b"request served";

/// The number in `12,345 records lost by worker 3` or `"count":12345`.
fn lost(line: &str) -> u64 {
    let grouped = |line: &str| {
        let (before, _) = line.split_once(" lost")?;
        let (number, _noun) = before.rsplit_once(' ')?;
        let number = number.rsplit(' ').next()?;
        number.replace(',', "").parse().ok()
    };
    let counted = |line: &str| {
        let (_, after) = line.split_once("\"count\":")?;
        let end = after.find(|character: char| !character.is_ascii_digit())?;
        after[..end].parse().ok()
    };
    counted(line).or_else(|| grouped(line)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_and_what_is_missing_are_counted_in_every_form() {
        let lines = [
            "2026-01-02T03:04:05.678901Z INFO  0.1      bench_logger: request served number=1",
            "2026-01-02T03:04:05.678901Z WARN  watcher  12,345 records lost by worker 1",
            "2026-01-02T03:04:05.678901Z WARN  watcher  1 record lost by worker 1",
            "2026-01-02T03:04:05.678901Z INFO  watcher  stopped after 2 s",
            r#"{"level":"info","kind":"record","message":"request served"}"#,
            r#"{"kind":"lost","worker":3,"count":10,"message":"10 records lost by worker 3"}"#,
        ];
        let mut counted = Counted::default();
        for line in lines {
            counted.count(line.as_bytes());
        }
        let expected = Counted {
            records: 2,
            lost: 12_356,
        };
        assert_eq!(counted, expected);
    }
}
