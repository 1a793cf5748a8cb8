//! A record as people read it: its message, then `key=value`, the spans it was made in, and its target.

use std::fmt;

use super::columns::Paint;
use super::number::{push_digits, push_float};
use crate::log::escape::{is_plain_word, push_escaped, push_quoted};
use crate::log::{Fields, Record, Value};

/// How many lines of a record may have a line of their own. Those of what has more are shown as `\n`, so that no short
/// record makes a long log.
const MOST_LINES: usize = 1000;

impl fmt::Display for Record<'_> {
    /// What it says without its time, level and source, on one line and harmless: for sinks that keep those apart.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Vec::new();
        push_summary(&mut out, self, Paint::NONE, false);
        f.write_str(&String::from_utf8_lossy(&out))
    }
}

/// Appends a record on one line; what has several of its own is left to [`push_details`] if that is to follow.
/// Returns whether anything is left to it.
pub(super) fn push_summary(
    out: &mut Vec<u8>,
    record: &Record<'_>,
    paint: Paint,
    details_follow: bool,
) -> bool {
    let mut room = Room::new(details_follow);
    let message = trimmed(record.message);
    let first = match room.takes(message) {
        true => message.split('\n').next().unwrap_or_default(),
        false => message,
    };
    let start = out.len();
    push_first_line(out, first);
    for (name, value) in record.fields {
        if !matches!(value, Value::Text(text) if room.takes(trimmed(text))) {
            push_space(out, start);
            push_field(out, name, value, paint);
        }
    }
    push_spans(out, record, paint, start);
    if !record.target.is_empty() {
        push_space(out, start);
        paint.dim(out);
        out.push(b'(');
        push_escaped(out, record.target);
        out.push(b')');
        paint.end(out);
    }
    if record.is_cut {
        out.extend_from_slice(b" [cut]");
    }
    room.is_used
}

/// Appends what has lines of its own, each after what `begin` appends and with its line feed.
pub(super) fn push_details(
    out: &mut Vec<u8>,
    record: &Record<'_>,
    mut begin: impl FnMut(&mut Vec<u8>),
) {
    let mut room = Room::new(true);
    let mut push_line = |out: &mut Vec<u8>, indent: &[u8], line| {
        begin(out);
        out.extend_from_slice(indent);
        push_escaped(out, line);
        out.push(b'\n');
    };
    let message = trimmed(record.message);
    if room.takes(message) {
        for line in message.split('\n').skip(1) {
            push_line(out, b"", line);
        }
    }
    for (name, value) in record.fields {
        let Value::Text(text) = value else { continue };
        let text = trimmed(text);
        if room.takes(text) {
            push_line(out, b"", name);
            for line in text.split('\n') {
                push_line(out, b"  ", line);
            }
        }
    }
}

/// How many more lines may have a line of their own.
struct Room {
    lines: usize,
    is_used: bool,
}

impl Room {
    fn new(is_there: bool) -> Self {
        Self {
            lines: if is_there { MOST_LINES } else { 0 },
            is_used: false,
        }
    }

    /// Whether the text has several lines, and they fit.
    fn takes(&mut self, text: &str) -> bool {
        let feeds = text.bytes().filter(|byte| *byte == b'\n').count();
        if feeds == 0 || feeds + 2 > self.lines {
            return false;
        }
        self.lines -= feeds + 2;
        self.is_used = true;
        true
    }
}

/// The text without the line feeds at its end.
fn trimmed(text: &str) -> &str {
    text.trim_end_matches('\n')
}

/// A line that begins like one that continues another entry is told from it.
fn push_first_line(out: &mut Vec<u8>, line: &str) {
    if line.starts_with('|') {
        out.push(b'\\');
    }
    push_escaped(out, line);
}

/// A space, unless nothing stands before it.
fn push_space(out: &mut Vec<u8>, start: usize) {
    if out.len() > start {
        out.push(b' ');
    }
}

fn push_field(out: &mut Vec<u8>, name: &str, value: Value<'_>, paint: Paint) {
    paint.dim(out);
    push_word(out, name);
    out.push(b'=');
    paint.end(out);
    push_value(out, value);
}

fn push_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Text(text) => push_word(out, text),
        Value::Signed(number) => push_digits(out, number),
        Value::Unsigned(number) => push_digits(out, number),
        Value::Signed128(number) => push_digits(out, number),
        Value::Unsigned128(number) => push_digits(out, number),
        Value::Float(number) => push_float(out, number),
        Value::Bool(value) => out.extend_from_slice(if value { b"true" } else { b"false" }),
    }
}

/// A text that ends where it seems to end: in quotation marks unless it is a plain word.
fn push_word(out: &mut Vec<u8>, text: &str) {
    if is_plain_word(text) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_quoted(out, text);
    }
}

/// ` in request{path=/pay}:payment`, the outermost first.
fn push_spans(out: &mut Vec<u8>, record: &Record<'_>, paint: Paint, start: usize) {
    let mut spans = record.spans.peekable();
    if spans.peek().is_none() {
        return;
    }
    push_space(out, start);
    paint.dim(out);
    let mut separator: &[u8] = b"in ";
    for span in spans {
        out.extend_from_slice(separator);
        push_word(out, span.name);
        push_span_fields(out, span.fields);
        separator = b":";
    }
    paint.end(out);
}

fn push_span_fields(out: &mut Vec<u8>, fields: Fields<'_>) {
    let mut separator = b'{';
    for (name, value) in fields {
        out.push(separator);
        push_field(out, name, value, Paint::NONE);
        separator = b' ';
    }
    if separator == b' ' {
        out.push(b'}');
    }
}
