//! Many seeded random records in every form: as many lines as there should be, nothing in them but text, and in JSON
//! everything the worker said.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value as Json;

use super::fixtures::{batch, formatted, record};
use super::*;
use crate::log::{Fields, Level, Value};
use crate::random::Random;
use crate::record::{Encoder, Header};

const RECORDS: u64 = 3_000; // a second in an unoptimised build
const SEED: u64 = 0x006c_6f67_6c69_6e65;

impl Random {
    /// Characters that somebody may want to do harm with, and ordinary ones.
    fn character(&mut self) -> char {
        const HARMFUL: [char; 24] = [
            '\n',
            '\n',
            '\r',
            '\t',
            '\0',
            '\x1b',
            '\x07',
            '\x7f',
            '\u{85}',
            '\u{9b}',
            '\u{2028}',
            '\u{202e}',
            '\u{2066}',
            '\u{feff}',
            '\u{e0041}',
            '"',
            '\\',
            '=',
            '{',
            '}',
            '|',
            '\'',
            ' ',
            '🦀',
        ];
        match self.below(4) {
            0 => HARMFUL[self.below(HARMFUL.len() as u64) as usize],
            1 => char::from_u32(self.below(0x11_0000) as u32).unwrap_or('\u{fffd}'),
            _ => char::from(b'a' + self.below(26) as u8),
        }
    }

    fn text(&mut self, most: u64) -> String {
        (0..self.below(most + 1))
            .map(|_| self.character())
            .collect()
    }

    fn fields(&mut self, encoder: &mut Encoder, most: u64) {
        for _ in 0..self.below(most + 1) {
            let (name, value) = (self.text(4), self.next());
            match self.below(7) {
                0 => encoder.signed(&name, value as i64),
                1 => encoder.unsigned(&name, value),
                2 => encoder.float(&name, f64::from_bits(value)),
                3 => encoder.bool(&name, value % 2 == 0),
                4 => encoder.signed_128(&name, i128::from(value as i64) << 50),
                5 => encoder.unsigned_128(&name, u128::from(value) << 60),
                _ => encoder.text(&name, &self.text(30)),
            }
        }
    }

    fn record(&mut self) -> Vec<u8> {
        let (thread, target) = (self.text(10), self.text(20));
        let header = Header {
            time: UNIX_EPOCH + Duration::from_nanos(self.next()),
            level: Level::ALL[self.below(5) as usize],
            thread: &thread,
            target: &target,
        };
        record(&header, |encoder| {
            encoder.message(&self.text(60));
            self.fields(encoder, 20);
            for _ in 0..self.below(4) {
                encoder.span(&self.text(6));
                self.fields(encoder, 3);
            }
        })
    }
}

fn each(mut look: impl FnMut(&Record<'_>, &Entry)) {
    let mut random = Random(SEED);
    for _ in 0..RECORDS {
        let bytes = random.record();
        let record = Record::decode(&bytes).unwrap();
        look(&record, &batch(std::slice::from_ref(&bytes)));
    }
}

/// How many lines people are shown: one for each line of the message, and each text of several lines with its name.
fn lines_of(record: &Record<'_>) -> usize {
    let lines = |text: &str| text.trim_end_matches('\n').split('\n').count();
    let texts = record.fields.filter_map(|(_, value)| match value {
        Value::Text(text) if lines(text) > 1 => Some(1 + lines(text)),
        _ => None,
    });
    lines(record.message) + texts.sum::<usize>()
}

fn is_harmless(character: char) -> bool {
    let reorders =
        matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0041}');
    character == '\n' || character == '\t' || !(character.is_control() || reorders)
}

#[test]
fn no_record_makes_more_lines_than_it_should() {
    each(|record, entry| {
        let plain = formatted(LogFormat::Plain, entry);
        assert_eq!(plain.lines().count(), lines_of(record), "{plain:?}");
        assert!(
            plain.ends_with('\n') && plain.chars().all(is_harmless),
            "{plain:?}"
        );
        let texts = plain
            .lines()
            .map(|line| &line["2026-01-02T03:04:05.678Z INFO  2.7      ".len()..]);
        let marked = texts.skip(1).filter(|text| text.starts_with("| ")).count();
        assert_eq!(marked + 1, lines_of(record), "{plain:?}");
        assert!(
            !plain.lines().next().unwrap().contains("2.7      |"),
            "{plain:?}"
        );
    });
}

#[test]
fn colours_are_all_that_a_terminal_obeys() {
    each(|record, entry| {
        let mut pretty = formatted(LogFormat::Pretty, entry);
        assert_eq!(pretty.lines().count(), lines_of(record), "{pretty:?}");
        for colour in ["0", "2", "32", "33", "34", "1;31"] {
            pretty = pretty.replace(&format!("\x1b[{colour}m"), "");
        }
        assert!(pretty.chars().all(is_harmless), "{pretty:?}");
    });
}

#[test]
fn every_line_of_json_gives_back_what_the_worker_said() {
    each(|record, entry| {
        let line = formatted(LogFormat::Json, entry);
        assert_eq!(line.lines().count(), 1, "{line:?}");
        let text = line.strip_suffix('\n').unwrap();
        assert!(
            text.chars().all(|it| it != '\t' && is_harmless(it)),
            "{line:?}"
        );
        let json: Json = serde_json::from_str(text).unwrap();
        assert_eq!(json["message"], record.message);
        assert_eq!(json["target"], record.target);
        assert_eq!(json["thread"], record.thread);
        assert_eq!(json["level"], record.level.name());
        assert_eq!(json["cut"], record.is_cut);
        check_fields(&json["fields"], record.fields);
        let spans = json["spans"].as_array().unwrap();
        assert_eq!(spans.len(), record.spans.count());
        for (json, span) in spans.iter().zip(record.spans) {
            assert_eq!(json["name"], span.name);
            check_fields(&json["fields"], span.fields);
        }
    });
}

fn check_fields(json: &Json, fields: Fields<'_>) {
    let expected: BTreeMap<&str, Value<'_>> = fields.collect();
    let json = json.as_object().unwrap();
    assert_eq!(json.len(), expected.len());
    for (name, value) in expected {
        let found = &json[name];
        match value {
            Value::Text(text) => assert_eq!(found, text),
            Value::Signed(number) => assert_eq!(found.as_i64(), Some(number)),
            Value::Unsigned(number) => assert_eq!(found.as_u64(), Some(number)),
            Value::Float(number) if number.is_finite() => {
                // As close as this reader of JSON comes.
                let difference = found.as_f64().unwrap() / number - 1.0;
                assert!(
                    difference.abs() < 1e-15 || number == 0.0,
                    "{found} {number}"
                );
            }
            Value::Float(number) => assert_eq!(found, &number.to_string()),
            Value::Bool(value) => assert_eq!(found.as_bool(), Some(value)),
            Value::Signed128(number) => assert_eq!(found, &number.to_string()),
            Value::Unsigned128(number) => assert_eq!(found, &number.to_string()),
        }
    }
}
