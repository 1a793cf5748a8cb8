//! What entries look like to machines.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::fixtures::{at, batch, formatted, header, record, source};
use super::*;
use crate::log::{Line, Lost, Notice, Stream};
use crate::record::Encoder;

#[track_caller]
fn check(entry: &Entry, expected: &str) {
    assert_eq!(formatted(LogFormat::Json, entry), format!("{expected}\n"));
}

/// The fields of a record, read again.
fn fields(build: impl FnOnce(&mut Encoder)) -> Json {
    let line = formatted(LogFormat::Json, &batch(&[record(&header(), build)]));
    let mut entry: Json = serde_json::from_str(&line).unwrap();
    entry["fields"].take()
}

#[test]
fn a_record_has_everything_it_came_with() {
    let bytes = record(&header(), |encoder| {
        encoder.message("paid\n\"twice\"");
        encoder.unsigned("order", 7);
        encoder.span("request");
        encoder.text("path", "/pay");
        encoder.span("payment");
    });
    let rest = "\"target\":\"shop::orders\",\"thread\":\"main\",\"message\":\"paid\\n\\\"twice\\\"\",\
                \"fields\":{\"order\":7},\"spans\":[{\"name\":\"request\",\"fields\":{\"path\":\"/pay\"}},\
                {\"name\":\"payment\",\"fields\":{}}],\"cut\":false}";
    let start = "{\"time\":\"2026-01-02T03:04:05.678901Z\",\"level\":\"info\",\"kind\":\"record\",";
    check(
        &batch(std::slice::from_ref(&bytes)),
        &format!(
            "{start}\"name\":\"watcher\",\"worker\":7,\"slot\":2,\"generation\":3,\"pid\":4711,{rest}"
        ),
    );

    let mut out = Vec::new();
    let record = Record::decode(&bytes).unwrap();
    Formatter::standalone(LogFormat::Json).push_record(&mut out, None, &record);
    let expected = format!("{start}{rest}\n");
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn lines_notices_and_what_is_missing_have_the_same_form() {
    let line = Entry::Line(Line {
        source: source(),
        stream: Stream::Stderr,
        text: "oh \\x1b no".to_owned(),
        continues: true,
    });
    let start = "{\"time\":\"2026-01-02T03:04:05.678901Z\"";
    let origin = "\"worker\":7,\"slot\":2,\"generation\":3,\"pid\":4711";
    check(
        &line,
        &format!(
            "{start},\"level\":\"info\",\"kind\":\"line\",\"name\":\"watcher\",{origin},\
             \"stream\":\"stderr\",\"message\":\"oh \\\\x1b no\",\"continues\":true}}"
        ),
    );
    let ready = Notice::Supervisor(everport_core::Notice::ClusterReady {
        workers: 4,
        took: Duration::from_micros(9_500),
    });
    check(
        &Entry::Notice(ready, None),
        &format!(
            "{start},\"level\":\"info\",\"kind\":\"notice\",\"name\":\"watcher\",\"event\":\"cluster_ready\",\
             \"message\":\"the cluster is ready: 4 workers in 9 ms\",\"fields\":{{\"workers\":4,\"took_ms\":9.5}}}}"
        ),
    );
    let lost = Entry::Lost(Lost {
        source: source(),
        count: 3,
    });
    check(
        &lost,
        &format!(
            "{start},\"level\":\"warn\",\"kind\":\"lost\",\"name\":\"watcher\",{origin},\"count\":3,\
             \"cause\":\"its ring was full\",\"message\":\"3 records lost by worker 7 (slot 2): its ring was full \
             (raise --log-buffer, or log less)\"}}"
        ),
    );
    let mut out = Vec::new();
    Formatter::new(LogFormat::Json, "a \"name\"").push_lost(&mut out, at(), 3, "disk full");
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!(
            "{start},\"level\":\"warn\",\"kind\":\"lost\",\"name\":\"a \\\"name\\\"\",\"count\":3,\
             \"cause\":\"disk full\",\"message\":\"3 entries lost: disk full\"}}\n"
        )
    );
}

#[test]
fn values_keep_their_types_and_large_ones_are_texts() {
    let fields = fields(|encoder| {
        encoder.signed("signed", i64::MIN);
        encoder.unsigned("unsigned", u64::MAX);
        encoder.float("float", 1e300);
        encoder.float("whole", 2.0);
        encoder.float("none", f64::NAN);
        encoder.float("endless", f64::NEG_INFINITY);
        encoder.bool("bool", true);
        encoder.text("text", "7");
        encoder.signed_128("large", i128::MIN);
        encoder.unsigned_128("small", 1);
    });
    assert_eq!(
        fields,
        json!({
            "signed": i64::MIN, "unsigned": u64::MAX, "float": 1e300, "whole": 2.0, "none": "NaN",
            "endless": "-inf", "bool": true, "text": "7", "large": i128::MIN.to_string(), "small": "1",
        })
    );
}

#[test]
fn of_fields_with_one_name_the_last_counts() {
    let twice = |encoder: &mut Encoder| {
        encoder.unsigned("a", 1);
        encoder.unsigned("b", 2);
        encoder.unsigned("a", 3);
    };
    let line = formatted(LogFormat::Json, &batch(&[record(&header(), twice)]));
    assert!(line.contains("\"fields\":{\"b\":2,\"a\":3}"), "{line}");
    let many = fields(|encoder| {
        for number in 0..1000 {
            encoder.unsigned(&(number % 100).to_string(), number);
        }
    });
    let many = many.as_object().unwrap();
    assert_eq!(many.len(), 100);
    let is_last = |(name, value): (&String, &Json)| {
        value.as_u64() == Some(900 + name.parse::<u64>().unwrap())
    };
    assert!(many.iter().all(is_last), "{many:?}");
}

#[test]
fn nothing_drives_the_terminal_that_shows_the_line() {
    let texts = [
        "\x1b[2J\x07\0\x7f",
        "\u{9b}31m",
        "\u{202e}gnp.exe\u{2066}",
        "a\u{2028}b\u{e0041}c",
    ];
    for text in texts {
        let line = formatted(
            LogFormat::Json,
            &batch(&[record(&header(), |encoder| {
                encoder.message(text);
                encoder.text(text, text);
            })]),
        );
        assert!(
            line.trim_end_matches('\n')
                .bytes()
                .all(|byte| matches!(byte, b' '..=b'~')),
            "{line:?}"
        );
        let entry: Json = serde_json::from_str(&line).unwrap();
        assert_eq!(entry["message"], text);
        assert_eq!(entry["fields"], json!({ text: text }));
    }
    let line = formatted(
        LogFormat::Json,
        &batch(&[record(&header(), |encoder| encoder.message("é 漢字 🦀"))]),
    );
    assert!(line.contains("\"é 漢字 🦀\""), "{line}");
}
