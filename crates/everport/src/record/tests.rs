//! Records written and read again.

use std::time::{Duration, UNIX_EPOCH};

use super::*;
use crate::log::Level;

fn header() -> Header<'static> {
    Header {
        time: UNIX_EPOCH + Duration::from_nanos(1_767_323_045_678_901_234),
        level: Level::Warn,
        thread: "main",
        target: "shop::orders",
    }
}

fn encoded() -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.begin(&header());
    encoder.unsigned("order", 7);
    encoder.message("paid");
    encoder.text("by", "card");
    encoder.signed("change", -3);
    encoder.float("tax", 0.5);
    encoder.bool("first", true);
    encoder.signed_128("less", i128::MIN);
    encoder.unsigned_128("more", u128::MAX);
    encoder.span("request");
    encoder.text("path", "/pay");
    encoder.span("payment");
    encoder.finish().to_vec()
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let bytes = encoded();
    let record = Record::decode(&bytes).unwrap();
    assert_eq!(record.time, header().time);
    assert_eq!((record.level, record.is_cut), (Level::Warn, false));
    assert_eq!((record.thread, record.target), ("main", "shop::orders"));
    assert_eq!(record.message, "paid");
    let fields: Vec<_> = record.fields.collect();
    let expected = [
        ("order", Value::Unsigned(7)),
        ("by", Value::Text("card")),
        ("change", Value::Signed(-3)),
        ("tax", Value::Float(0.5)),
        ("first", Value::Bool(true)),
        ("less", Value::Signed128(i128::MIN)),
        ("more", Value::Unsigned128(u128::MAX)),
    ];
    assert_eq!(fields, expected);
    let spans: Vec<Span<'_>> = record.spans.collect();
    let names: Vec<&str> = spans.iter().map(|span| span.name).collect();
    assert_eq!(names, ["request", "payment"]);
    let path: Vec<_> = spans[0].fields.collect();
    assert_eq!(path, [("path", Value::Text("/pay"))]);
}

#[test]
fn an_encoder_is_used_again() {
    let mut encoder = Encoder::default();
    for _ in 0..2 {
        encoder.begin(&header());
        encoder.message("again");
        let record = Record::decode(encoder.finish()).unwrap();
        assert_eq!((record.message, record.fields.count()), ("again", 0));
        assert_eq!(record.spans.count(), 0);
    }
}

#[test]
fn what_is_too_long_is_cut_and_marked() {
    let long = "ä".repeat(LONGEST_RECORD);
    let mut encoder = Encoder::default();
    encoder.begin(&header());
    encoder.message(&long);
    encoder.text("left", "out");
    encoder.span("out, too");
    encoder.text("and", "this");
    let bytes = encoder.finish();
    assert!(bytes.len() <= LONGEST_RECORD);
    let record = Record::decode(bytes).unwrap();
    assert!(record.is_cut && record.message.len() > LONGEST_RECORD / 2);

    encoder.begin(&header());
    for _ in 0..LONGEST_RECORD {
        encoder.text("long", &long[..5000]);
        encoder.span(&long[..200]);
        encoder.bool("b", true);
    }
    let bytes = encoder.finish();
    assert!(bytes.len() <= LONGEST_RECORD);
    assert!(Record::decode(bytes).unwrap().is_cut);
}

#[test]
fn no_part_of_a_record_is_a_record() {
    let bytes = encoded();
    for end in 0..bytes.len() {
        assert!(Record::decode(&bytes[..end]).is_err(), "{end}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Record::decode(&longer), Err(Malformed::Trailing(1)));
}

#[test]
fn any_bytes_are_read_without_harm() {
    let whole = encoded();
    for at in 0..whole.len() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[at] = value;
            if let Ok(record) = Record::decode(&bytes) {
                let fields = record.fields.count();
                assert!(fields + record.spans.map(|span| span.fields.count()).sum::<usize>() < 99);
            }
        }
    }
}
