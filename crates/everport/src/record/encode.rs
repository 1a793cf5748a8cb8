//! Writes a record's bytes into a buffer that is used again and again: nothing is allocated for most records.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{CUT, LONGEST_RECORD, tag};
use crate::log::Level;

/// What every record begins with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Header<'a> {
    pub(crate) time: SystemTime,
    pub(crate) level: Level,
    /// The name of the thread, or its id.
    pub(crate) thread: &'a str,
    /// What the record is about, mostly a module's path.
    pub(crate) target: &'a str,
}

/// One record in the making. Begin with [`Encoder::begin`], then the message, the fields, and the spans from the
/// outermost to the innermost.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
    /// Where the number of fields stands that are being written.
    count_at: usize,
    fields: u16,
    message_at: usize,
    spans_at: usize,
    spans: u8,
    /// A span did not fit: what follows would seem to be of another one.
    is_closed: bool,
}

/// Where a record's flags stand.
const FLAGS_AT: usize = 1;

/// What is kept free for what follows a text that may be cut: counts and lengths.
const RESERVED: usize = 1024;

impl Encoder {
    /// Begins a record whose message is written with [`Encoder::message`].
    pub(crate) fn begin(&mut self, header: &Header<'_>) {
        self.bytes.clear();
        self.fields = 0;
        self.spans = 0;
        self.spans_at = 0;
        self.is_closed = false;
        let since_1970 = header.time.duration_since(UNIX_EPOCH);
        self.bytes.push(header.level.number());
        self.bytes.push(0);
        self.bytes
            .extend_from_slice(&nanoseconds(since_1970.unwrap_or_default()).to_le_bytes());
        self.short_text(header.thread);
        self.short_text(header.target);
        self.message_at = self.bytes.len();
        self.bytes.extend_from_slice(&0_u32.to_le_bytes());
        self.count_at = self.bytes.len();
        self.bytes.extend_from_slice(&0_u16.to_le_bytes());
    }

    /// Sets the message. The fields that were written before it stay.
    pub(crate) fn message(&mut self, message: &str) {
        let fields = self.bytes.split_off(self.count_at);
        self.bytes.truncate(self.message_at);
        self.long_text(message);
        self.count_at = self.bytes.len();
        self.bytes.extend_from_slice(&fields);
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        if self.field(name, tag::TEXT, 0) {
            self.long_text(value);
        }
    }

    pub(crate) fn signed(&mut self, name: &str, value: i64) {
        self.number(name, tag::SIGNED, &value.to_le_bytes());
    }

    pub(crate) fn unsigned(&mut self, name: &str, value: u64) {
        self.number(name, tag::UNSIGNED, &value.to_le_bytes());
    }

    pub(crate) fn float(&mut self, name: &str, value: f64) {
        self.number(name, tag::FLOAT, &value.to_le_bytes());
    }

    pub(crate) fn bool(&mut self, name: &str, value: bool) {
        self.number(name, tag::BOOL, &[u8::from(value)]);
    }

    pub(crate) fn signed_128(&mut self, name: &str, value: i128) {
        self.number(name, tag::SIGNED_128, &value.to_le_bytes());
    }

    pub(crate) fn unsigned_128(&mut self, name: &str, value: u128) {
        self.number(name, tag::UNSIGNED_128, &value.to_le_bytes());
    }

    /// Begins a span; fields that follow are its own.
    pub(crate) fn span(&mut self, name: &str) {
        let fits = self.left() > name.len() + RESERVED && self.spans < u8::MAX;
        if self.is_closed || !fits {
            self.is_closed = true;
            self.mark_cut();
            return;
        }
        self.end_fields();
        self.spans += 1;
        self.short_text(name);
        self.begin_fields();
    }

    /// The record's bytes.
    pub(crate) fn finish(&mut self) -> &[u8] {
        self.end_fields();
        self.bytes[self.spans_at] = self.spans;
        &self.bytes
    }

    /// Closes the list of fields that is being written; after the record's own, the spans begin.
    fn end_fields(&mut self) {
        self.bytes[self.count_at..self.count_at + 2].copy_from_slice(&self.fields.to_le_bytes());
        if self.spans_at == 0 {
            self.spans_at = self.bytes.len();
            self.bytes.push(0);
        }
    }

    fn begin_fields(&mut self) {
        self.count_at = self.bytes.len();
        self.fields = 0;
        self.bytes.extend_from_slice(&0_u16.to_le_bytes());
    }

    fn number(&mut self, name: &str, tag: u8, value: &[u8]) {
        if self.field(name, tag, value.len()) {
            self.bytes.extend_from_slice(value);
        }
    }

    /// Whether there is room for the field; if so, its name and tag are written.
    fn field(&mut self, name: &str, tag: u8, value: usize) -> bool {
        let needed = name.len() + value + RESERVED;
        if self.is_closed || self.left() < needed || self.fields == u16::MAX {
            self.mark_cut();
            return false;
        }
        self.fields += 1;
        self.short_text(name);
        self.bytes.push(tag);
        true
    }

    /// At most 255 bytes of it: names are short.
    fn short_text(&mut self, text: &str) {
        let text = self.cut(text, usize::from(u8::MAX));
        // It was just made to fit.
        self.bytes.push(text.len() as u8);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// As much of it as there is room for.
    fn long_text(&mut self, text: &str) {
        let room = self.left().saturating_sub(RESERVED);
        let text = self.cut(text, room);
        // A record is shorter than 4 GiB.
        self.bytes
            .extend_from_slice(&(text.len() as u32).to_le_bytes());
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn cut<'a>(&mut self, text: &'a str, most: usize) -> &'a str {
        if text.len() <= most {
            return text;
        }
        self.mark_cut();
        let boundary = (0..=most).rev().find(|at| text.is_char_boundary(*at));
        &text[..boundary.unwrap_or(0)]
    }

    fn mark_cut(&mut self) {
        self.bytes[FLAGS_AT] |= CUT;
    }

    fn left(&self) -> usize {
        LONGEST_RECORD.saturating_sub(self.bytes.len())
    }
}

/// Enough until the year 2554.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
