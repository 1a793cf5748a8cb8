//! What entries look like.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::log::{Ending, Line, Notice, Source, Stream};
use crate::{Generation, SlotId, WorkerId};

fn at() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_767_323_045_678)
}

#[track_caller]
fn check(format: LogFormat, entry: Entry, expected: &str) {
    let mut out = Vec::new();
    Formatter::new(format, "watcher").push_entry(&mut out, at(), &entry);
    assert_eq!(String::from_utf8(out).unwrap(), expected);
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
        LogFormat::Plain,
        line(2, 7, Stream::Stdout, "hello", false),
        "2026-01-02T03:04:05.678Z INFO  2.7 out  hello\n",
    );
    check(
        LogFormat::Plain,
        line(12, 345, Stream::Stderr, "", false),
        "2026-01-02T03:04:05.678Z INFO  12.345 err  \n",
    );
    check(
        LogFormat::Plain,
        line(2, 7, Stream::Stdout, "xxx", true),
        "2026-01-02T03:04:05.678Z INFO  2.7 out  xxx [...]\n",
    );
}

#[test]
fn every_line_of_a_notice_stands_for_itself() {
    check(
        LogFormat::Plain,
        death(),
        "2026-01-02T03:04:05.678Z ERROR watcher  worker 7 (slot 2) died: exited with code 3\n\
         2026-01-02T03:04:05.678Z ERROR watcher  | oh no\n",
    );
}

#[test]
fn a_terminal_shows_levels_and_slots_in_colour() {
    check(
        LogFormat::Pretty,
        line(1, 7, Stream::Stdout, "hello", false),
        "\x1b[2m2026-01-02T03:04:05.678Z\x1b[0m \x1b[32mINFO \x1b[0m \x1b[35m1.7 out\x1b[0m  hello\n",
    );
    check(
        LogFormat::Pretty,
        line(6, 9, Stream::Stdout, "x", true),
        "\x1b[2m2026-01-02T03:04:05.678Z\x1b[0m \x1b[32mINFO \x1b[0m \x1b[35m6.9 out\x1b[0m  x [...]\n",
    );
}
