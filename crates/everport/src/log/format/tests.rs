//! What entries look like to people.

use super::fixtures::{at, batch, formatted, header, record, source};
use super::*;
use crate::log::{Ending, Level, Line, Lost, Notice, Stream};
use crate::record::{Encoder, Header};
use crate::{Generation, SlotId, WorkerId};

const COLUMNS: &str = "2026-01-02T03:04:05.678Z INFO  2.7      ";

#[track_caller]
fn check(format: LogFormat, entry: &Entry, expected: &str) {
    assert_eq!(formatted(format, entry), expected);
}

#[track_caller]
fn check_record(build: impl FnOnce(&mut Encoder), expected: &[&str]) {
    let entry = batch(&[record(&header(), build)]);
    let expected: String = expected
        .iter()
        .map(|line| format!("{COLUMNS}{line}\n"))
        .collect();
    check(LogFormat::Plain, &entry, &expected);
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
            thread: None,
        },
        expected: false,
        last_lines: vec!["oh no".to_owned()],
    };
    Entry::Notice(notice, None)
}

#[test]
fn a_format_is_named_and_what_names_none_is_told_the_way_out() {
    for format in LogFormat::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    assert_eq!("JSON".parse(), Ok(LogFormat::Json));
    let error = "xml".parse::<LogFormat>().unwrap_err().to_string();
    assert_eq!(
        error,
        "not a log format: \"xml\" (give pretty, plain or json)"
    );
}

#[test]
fn plain_lines_have_columns() {
    let plain = |entry, expected| check(LogFormat::Plain, &entry, expected);
    plain(
        line(2, 7, Stream::Stdout, "hello", false),
        "2026-01-02T03:04:05.678Z INFO  2.7 out  hello\n",
    );
    plain(
        line(12, 345, Stream::Stderr, "", false),
        "2026-01-02T03:04:05.678Z INFO  12.345 err  \n",
    );
    plain(
        line(2, 7, Stream::Stdout, "xxx", true),
        "2026-01-02T03:04:05.678Z INFO  2.7 out  xxx [...]\n",
    );
}

#[test]
fn every_line_of_a_notice_stands_for_itself() {
    check(
        LogFormat::Plain,
        &death(),
        "2026-01-02T03:04:05.678Z ERROR watcher  worker 7 (slot 2) died: exited with code 3\n\
         2026-01-02T03:04:05.678Z ERROR watcher  | oh no\n",
    );
}

#[test]
fn a_terminal_shows_levels_and_slots_in_colour() {
    check(
        LogFormat::Pretty,
        &line(1, 7, Stream::Stdout, "hello", false),
        "\x1b[2m2026-01-02T03:04:05.678Z\x1b[0m \x1b[32mINFO \x1b[0m \x1b[35m1.7 out\x1b[0m  hello\n",
    );
    check(
        LogFormat::Pretty,
        &line(6, 9, Stream::Stdout, "x", true),
        "\x1b[2m2026-01-02T03:04:05.678Z\x1b[0m \x1b[32mINFO \x1b[0m \x1b[35m6.9 out\x1b[0m  x [...]\n",
    );
}

#[test]
fn a_terminal_shows_what_follows_an_entry_under_its_text() {
    check(
        LogFormat::Pretty,
        &death(),
        "\x1b[2m2026-01-02T03:04:05.678Z\x1b[0m \x1b[1;31mERROR\x1b[0m watcher\x1b[0m  worker 7 (slot 2) died: exited with code 3\n\
         \u{20}                                       \x1b[2m| \x1b[0moh no\n",
    );
    let without_colour = |text: &str| {
        let colours = ["\x1b[0m", "\x1b[2m", "\x1b[34m", "\x1b[32m"];
        let text = text.to_owned();
        colours
            .iter()
            .fold(text, |text, colour| text.replace(colour, ""))
    };
    let entry = batch(&[record(&header(), |encoder| encoder.message("one\ntwo"))]);
    let shown = without_colour(&formatted(LogFormat::Pretty, &entry));
    let [first, second] = shown.lines().collect::<Vec<_>>()[..] else {
        panic!("{shown}");
    };
    assert_eq!(first.find("one"), second.find("| two"), "{shown}");
}

#[test]
fn a_record_is_its_message_its_fields_its_spans_and_its_target() {
    check_record(
        |encoder| {
            encoder.unsigned("order", 7);
            encoder.message("paid");
            encoder.text("by", "credit card");
            encoder.signed("change", -3);
            encoder.float("tax", 0.5);
            encoder.bool("first", true);
            encoder.unsigned_128("most", u128::MAX);
            encoder.span("request");
            encoder.text("path", "/pay");
            encoder.unsigned("try", 1);
            encoder.span("payment");
        },
        &[
            "paid order=7 by=\"credit card\" change=-3 tax=0.5 first=true \
           most=340282366920938463463374607431768211455 in request{path=/pay try=1}:payment (shop::orders)",
        ],
    );
    check_record(
        |encoder| encoder.bool("alone", false),
        &["alone=false (shop::orders)"],
    );
    check_record(|_| {}, &["(shop::orders)"]);
}

#[test]
fn numbers_that_are_none_are_shown_as_such() {
    check_record(
        |encoder| {
            for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, 2.0] {
                encoder.float("n", number);
            }
        },
        &["n=NaN n=inf n=-inf n=1e+300 n=2.0 (shop::orders)"],
    );
}

#[test]
fn a_value_ends_where_it_seems_to_end() {
    check_record(
        |encoder| {
            for value in [
                "", "a b", "a\"b", "a\\b", "x=1", "}", "é", "a\u{a0}b", "t\tb", "\x1b[0m",
            ] {
                encoder.text("v", value);
            }
            encoder.text("a key", "x");
        },
        &[
            "v=\"\" v=\"a b\" v=\"a\\\"b\" v=\"a\\\\b\" v=\"x=1\" v=\"}\" v=é v=\"a\u{a0}b\" v=\"t\\tb\" \
             v=\"\\x1b[0m\" \"a key\"=x (shop::orders)",
        ],
    );
}

#[test]
fn several_lines_follow_their_entry_and_cannot_be_taken_for_others() {
    check_record(
        |encoder| {
            encoder.message("panicked at src/main.rs:7\n  left: 1\n2026-01-02T03:04:05.678Z ERROR watcher  forged\n\n");
            encoder.text("backtrace", "0: main\n1: start\n");
            encoder.bool("fatal", true);
        },
        &[
            "panicked at src/main.rs:7 fatal=true (shop::orders)",
            "|   left: 1",
            "| 2026-01-02T03:04:05.678Z ERROR watcher  forged",
            "| backtrace",
            "|   0: main",
            "|   1: start",
        ],
    );
    check_record(
        |encoder| encoder.message("| not the entry before"),
        &["\\| not the entry before (shop::orders)"],
    );
    check_record(
        |encoder| encoder.message("a\r\nb\x1b[2J"),
        &["a\\r (shop::orders)", "| b\\x1b[2J"],
    );
}

#[test]
fn a_record_of_very_many_lines_makes_no_long_log() {
    let many = "\n".repeat(30_000) + ".";
    let entry = batch(&[record(&header(), |encoder| encoder.message(&many))]);
    let shown = formatted(LogFormat::Plain, &entry);
    assert_eq!(shown.lines().count(), 1);
    assert_eq!(shown.matches("\\n").count(), 30_000);
    let most = "a\n".repeat(900) + ".";
    let entry = batch(&[record(&header(), |encoder| encoder.message(&most))]);
    assert_eq!(formatted(LogFormat::Plain, &entry).lines().count(), 901);
}

#[test]
fn what_was_cut_says_so() {
    let long = "x".repeat(100_000);
    let entry = batch(&[record(&header(), |encoder| encoder.message(&long))]);
    assert!(formatted(LogFormat::Plain, &entry).ends_with("x (shop::orders) [cut]\n"));
}

#[test]
fn without_a_watcher_there_is_no_column_of_who() {
    let bytes = record(&header(), |encoder| encoder.message("alone\nreally"));
    let record = Record::decode(&bytes).unwrap();
    let mut out = Vec::new();
    Formatter::standalone(LogFormat::Plain).push_record(&mut out, None, &record);
    Formatter::standalone(LogFormat::Plain).push_record(&mut out, Some(&source()), &record);
    let time = "2026-01-02T03:04:05.678Z INFO  ";
    let expected = format!(
        "{time}alone (shop::orders)\n{time}| really\n{COLUMNS}alone (shop::orders)\n{COLUMNS}| really\n"
    );
    assert_eq!(String::from_utf8(out).unwrap(), expected);
    assert_eq!(record.to_string(), "alone\\nreally (shop::orders)");
}

#[test]
fn each_record_has_the_time_its_worker_gave_it() {
    let later = Header {
        time: at() + std::time::Duration::from_secs(1),
        level: Level::Warn,
        ..header()
    };
    let message = |encoder: &mut Encoder| encoder.message("m");
    let entry = batch(&[record(&later, message), record(&header(), message)]);
    check(
        LogFormat::Plain,
        &entry,
        "2026-01-02T03:04:06.678Z WARN  2.7      m (shop::orders)\n\
         2026-01-02T03:04:05.678Z INFO  2.7      m (shop::orders)\n",
    );
}

#[test]
fn what_is_missing_is_said_by_the_watcher() {
    let lost = Entry::Lost(Lost {
        source: source(),
        count: 12_345,
    });
    let start = "2026-01-02T03:04:05.678Z WARN  watcher  12,345";
    check(
        LogFormat::Plain,
        &lost,
        &format!(
            "{start} records lost by worker 7 (slot 2): its ring was full (raise --log-buffer, or log less)\n"
        ),
    );
    let mut out = Vec::new();
    Formatter::new(LogFormat::Plain, "watcher").push_lost(&mut out, at(), 12_345, "disk full");
    let expected = format!("{start} entries lost: disk full\n");
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
