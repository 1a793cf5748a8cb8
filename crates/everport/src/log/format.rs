//! The form of an entry's lines: time, level, who, text.

use std::fmt::Write;
use std::time::SystemTime;

use super::escape::escape;
use super::{Entry, Level, Line, Lost, Record, Records, Stream};

/// How lines look.
#[derive(Debug, Clone)]
pub(super) struct Style {
    /// Whether a terminal shows them and wants colour.
    pub(super) colour: bool,
    /// What stands in the column of who for notices.
    pub(super) name: String,
}

/// What stands at the end of a piece of an over-long line.
const GOES_ON: &str = " [...]";

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// The colours of slots, in turn: none of them means a level.
const SLOT_COLOURS: [&str; 5] = ["\x1b[36m", "\x1b[35m", "\x1b[34m", "\x1b[96m", "\x1b[95m"];

impl Style {
    /// Appends an entry's lines.
    pub(super) fn push_entry(&self, out: &mut String, at: SystemTime, entry: &Entry) {
        match entry {
            Entry::Notice(notice, _) => {
                for text in notice.to_string().split('\n') {
                    self.push(out, at, notice.level(), &self.name, "", text);
                }
            }
            Entry::Line(line) => self.push_line(out, at, line),
            Entry::Records(records) => self.push_records(out, records),
            Entry::Lost(lost) => self.push_lost_records(out, at, lost),
        }
    }

    /// Appends a line that says how many entries are missing here and why.
    pub(super) fn push_lost(&self, out: &mut String, at: SystemTime, count: u64, cause: &str) {
        let noun = if count == 1 { "entry" } else { "entries" };
        let text = format!("{} {noun} lost: {cause}", grouped(count));
        self.push(out, at, Level::Warn, &self.name, "", &text);
    }

    fn push_records(&self, out: &mut String, records: &Records) {
        let source = records.source();
        let who = format!("{}.{}", source.slot, source.worker);
        let colour = SLOT_COLOURS[source.slot.0 as usize % SLOT_COLOURS.len()];
        for Record {
            time,
            level,
            message,
            ..
        } in records.iter()
        {
            self.push(out, time, level, &who, colour, &escape(message));
        }
    }

    fn push_lost_records(&self, out: &mut String, at: SystemTime, lost: &Lost) {
        let noun = if lost.count == 1 { "record" } else { "records" };
        let (count, worker) = (grouped(lost.count), lost.source.worker);
        let text = format!("{count} {noun} lost by worker {worker}");
        self.push(out, at, Level::Warn, &self.name, "", &text);
    }

    fn push_line(&self, out: &mut String, at: SystemTime, line: &Line) {
        let stream = match line.stream {
            Stream::Stdout => "out",
            Stream::Stderr => "err",
        };
        let who = format!("{}.{} {stream}", line.source.slot, line.source.worker);
        let colour = SLOT_COLOURS[line.source.slot.0 as usize % SLOT_COLOURS.len()];
        self.push(out, at, Level::Info, &who, colour, &line.text);
        if line.continues {
            let line_feed = out.pop();
            out.push_str(GOES_ON);
            out.extend(line_feed);
        }
    }

    fn push(
        &self,
        out: &mut String,
        at: SystemTime,
        level: Level,
        who: &str,
        colour: &str,
        text: &str,
    ) {
        let time = humantime::format_rfc3339_millis(at);
        let name = level_name(level);
        let written = if self.colour {
            let level = level_colour(level);
            writeln!(
                out,
                "{DIM}{time}{RESET} {level}{name}{RESET} {colour}{who:<7}{RESET}  {text}"
            )
        } else {
            writeln!(out, "{time} {name} {who:<7}  {text}")
        };
        debug_assert!(written.is_ok(), "writing to a String does not fail");
    }
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN ",
        Level::Info => "INFO ",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    }
}

fn level_colour(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[1;31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug | Level::Trace => DIM,
    }
}

/// A number with its digits in groups of three: `1,234`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::log::{Ending, Notice, Source};
    use crate::{Generation, SlotId, WorkerId};

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_767_323_045_678)
    }

    fn style(colour: bool) -> Style {
        Style {
            colour,
            name: "watcher".to_owned(),
        }
    }

    #[track_caller]
    fn check(colour: bool, entry: Entry, expected: &str) {
        let mut out = String::new();
        style(colour).push_entry(&mut out, at(), &entry);
        assert_eq!(out, expected);
    }

    fn line(slot: u32, worker: u64, stream: Stream, text: &str, continues: bool) -> Entry {
        Entry::Line(Line {
            source: Source {
                worker: WorkerId(worker),
                slot: SlotId(slot),
                generation: Generation(1),
                pid: 4711,
            },
            stream,
            text: text.to_owned(),
            continues,
        })
    }

    fn death() -> Entry {
        let notice = Notice::Ended {
            worker: WorkerId(7),
            slot: SlotId(2),
            pid: 4711,
            ending: Ending {
                code: Some(3),
                signal: None,
                out_of_memory: false,
            },
            expected: false,
            last_lines: vec!["oh no".to_owned()],
        };
        Entry::Notice(notice, None)
    }

    #[test]
    fn plain_lines_have_columns() {
        check(
            false,
            line(2, 7, Stream::Stdout, "hello", false),
            "2026-01-02T03:04:05.678Z INFO  2.7 out  hello\n",
        );
        check(
            false,
            line(12, 345, Stream::Stderr, "", false),
            "2026-01-02T03:04:05.678Z INFO  12.345 err  \n",
        );
        check(
            false,
            line(2, 7, Stream::Stdout, "xxx", true),
            "2026-01-02T03:04:05.678Z INFO  2.7 out  xxx [...]\n",
        );
    }

    #[test]
    fn every_line_of_a_notice_stands_for_itself() {
        check(
            false,
            death(),
            "2026-01-02T03:04:05.678Z ERROR watcher  worker 7 (slot 2) died: exited with code 3\n\
             2026-01-02T03:04:05.678Z ERROR watcher  | oh no\n",
        );
    }

    #[test]
    fn a_terminal_shows_levels_and_slots_in_colour() {
        check(
            true,
            line(1, 7, Stream::Stdout, "hello", false),
            "\x1b[2m2026-01-02T03:04:05.678Z\x1b[0m \x1b[32mINFO \x1b[0m \x1b[35m1.7 out\x1b[0m  hello\n",
        );
        check(
            true,
            line(6, 9, Stream::Stdout, "x", true),
            "\x1b[2m2026-01-02T03:04:05.678Z\x1b[0m \x1b[32mINFO \x1b[0m \x1b[35m6.9 out\x1b[0m  x [...]\n",
        );
    }

    #[test]
    fn lost_entries_are_counted_in_words() {
        let check = |count, expected: &str| {
            let mut out = String::new();
            style(false).push_lost(&mut out, at(), count, "the log's reader did not keep up");
            assert_eq!(
                out,
                format!(
                    "2026-01-02T03:04:05.678Z WARN  watcher  {expected}: the log's reader did not keep up\n"
                )
            );
        };
        check(1, "1 entry lost");
        check(12, "12 entries lost");
        check(1_234, "1,234 entries lost");
        check(1_234_567, "1,234,567 entries lost");
        check(123_456, "123,456 entries lost");
    }
}
