//! Writes a record's bytes into a buffer that is used again and again: nothing is allocated for most records.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{CUT, Fields, LONGEST_RECORD, Value, tag};
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

/// One record in the making. Begin with [`Encoder::begin`], then the message and the fields, and then the spans from
/// the outermost to the innermost, each followed by its own fields.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
    /// Where the number of fields stands that are being written.
    count_at: usize,
    fields: u16,
    /// Where the length of the message stands.
    message_at: usize,
    has_message: bool,
    /// Where the number of spans stands; 0 before the first one.
    spans_at: usize,
    spans: u8,
    is_cut: bool,
    /// A span did not fit: what follows would seem to be of another one.
    is_closed: bool,
}

/// Fields that are written once and then belong to many records: those of a span.
#[derive(Debug, Clone, Default)]
pub(crate) struct EncodedFields {
    entries: Box<[u8]>,
    count: u16,
    is_cut: bool,
}

/// Where a record's flags stand.
const FLAGS_AT: usize = 1;

/// What is kept free for what follows a text that may be cut: counts and lengths.
const RESERVED: usize = 1024;

/// How much of a buffer is kept for the next record. Only few records are longer, and there may be many threads.
const KEPT: usize = 8 * 1024;

impl Encoder {
    /// Begins a record whose message is written with [`Encoder::message`].
    pub(crate) fn begin(&mut self, header: &Header<'_>) {
        self.clear();
        let since_1970 = header.time.duration_since(UNIX_EPOCH);
        let time = nanoseconds(since_1970.unwrap_or_default());
        self.bytes.extend_from_slice(&[header.level.number(), 0]);
        self.bytes.extend_from_slice(&time.to_le_bytes());
        self.short_text(header.thread);
        self.short_text(header.target);
        self.message_at = self.bytes.len();
        self.bytes.extend_from_slice(&0_u32.to_le_bytes());
        self.begin_fields();
    }

    /// Begins fields that are no record's yet, for [`Encoder::finish_fields`].
    pub(crate) fn begin_fields_alone(&mut self) {
        self.clear();
        self.begin_fields();
    }

    /// Sets the message: see [`Encoder::message_display`].
    pub(crate) fn message(&mut self, message: &str) {
        self.message_display(format_args!("{message}"));
    }

    /// Sets the message, at best before all fields: otherwise they are moved. Further ones become fields.
    pub(crate) fn message_display(&mut self, message: fmt::Arguments<'_>) {
        if self.has_message {
            return self.display("message", message);
        }
        self.has_message = true;
        let length = if self.fields == 0 {
            self.bytes.truncate(self.count_at);
            let length = self.push_formatted(message);
            self.begin_fields();
            length
        } else {
            let fields_end = self.bytes.len();
            let length = self.push_formatted(message);
            // It was written behind the fields, and changes places with them.
            self.bytes[self.count_at..].rotate_left(fields_end - self.count_at);
            self.count_at += length;
            length
        };
        // A record is shorter than 4 GiB.
        self.patch(self.message_at, &(length as u32).to_le_bytes());
    }

    pub(crate) fn text(&mut self, name: &str, value: &str) {
        if self.field(name, tag::TEXT, 0) {
            let value = self.cut(value, self.room());
            self.bytes
                .extend_from_slice(&(value.len() as u32).to_le_bytes());
            self.bytes.extend_from_slice(value.as_bytes());
        }
    }

    /// Adds the text of whatever can be formatted.
    pub(crate) fn display(&mut self, name: &str, value: fmt::Arguments<'_>) {
        if self.field(name, tag::TEXT, 0) {
            let length_at = self.bytes.len();
            self.bytes.extend_from_slice(&0_u32.to_le_bytes());
            let length = self.push_formatted(value);
            self.patch(length_at, &(length as u32).to_le_bytes());
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

    fn value(&mut self, name: &str, value: Value<'_>) {
        match value {
            Value::Text(value) => self.text(name, value),
            Value::Signed(value) => self.signed(name, value),
            Value::Unsigned(value) => self.unsigned(name, value),
            Value::Float(value) => self.float(name, value),
            Value::Bool(value) => self.bool(name, value),
            Value::Signed128(value) => self.signed_128(name, value),
            Value::Unsigned128(value) => self.unsigned_128(name, value),
        }
    }

    /// Adds fields that were written before.
    pub(crate) fn append(&mut self, fields: &EncodedFields) {
        self.is_cut |= fields.is_cut;
        let count = self.fields.checked_add(fields.count);
        match count.filter(|_| fields.entries.len() <= self.room() && !self.is_closed) {
            Some(count) => {
                self.fields = count;
                self.bytes.extend_from_slice(&fields.entries);
            }
            None => self.is_cut = true,
        }
    }

    /// Begins a span; fields that follow are its own.
    pub(crate) fn span(&mut self, name: &str) {
        let fits = self.room() > name.len() && self.spans < u8::MAX;
        if self.is_closed || !fits {
            self.is_closed = true;
            self.is_cut = true;
            return;
        }
        self.end_fields();
        self.spans += 1;
        self.short_text(name);
        self.begin_fields();
    }

    /// Says that something was left out.
    pub(crate) fn mark_cut(&mut self) {
        self.is_cut = true;
    }

    /// The record's bytes.
    pub(crate) fn finish(&mut self) -> &[u8] {
        self.end_fields();
        self.bytes[self.spans_at] = self.spans;
        self.bytes[FLAGS_AT] = if self.is_cut { CUT } else { 0 };
        &self.bytes
    }

    /// The fields since [`Encoder::begin_fields_alone`].
    pub(crate) fn finish_fields(&self) -> EncodedFields {
        EncodedFields {
            entries: self.bytes[COUNT_SIZE..].into(),
            count: self.fields,
            is_cut: self.is_cut,
        }
    }

    /// Gives back what an unusually long record has taken.
    pub(crate) fn shrink(&mut self) {
        if self.bytes.capacity() > 2 * KEPT {
            self.bytes.clear();
            self.bytes.shrink_to(KEPT);
        }
    }

    fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        *self = Self {
            bytes,
            ..Self::default()
        };
    }

    /// Closes the list of fields that is being written; after the record's own, the spans begin.
    fn end_fields(&mut self) {
        self.patch(self.count_at, &self.fields.to_le_bytes());
        if self.spans_at == 0 {
            self.spans_at = self.bytes.len();
            self.bytes.push(0);
        }
    }

    fn begin_fields(&mut self) {
        self.count_at = self.bytes.len();
        self.fields = 0;
        self.bytes.extend_from_slice(&[0; COUNT_SIZE]);
    }

    fn number(&mut self, name: &str, tag: u8, value: &[u8]) {
        if self.field(name, tag, value.len()) {
            self.bytes.extend_from_slice(value);
        }
    }

    /// Whether there is room for the field; if so, its name and tag are written.
    fn field(&mut self, name: &str, tag: u8, value: usize) -> bool {
        let fits = self.room() >= name.len() + value;
        if self.is_closed || !fits || self.fields == u16::MAX {
            self.is_cut = true;
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

    /// Writes as much of a text as there is room for, and says how many bytes that were.
    fn push_formatted(&mut self, text: fmt::Arguments<'_>) -> usize {
        let start = self.bytes.len();
        let mut end = End {
            room: self.room(),
            encoder: self,
        };
        match text.as_str() {
            Some(text) => end.push(text),
            // An implementation that fails has written what it wanted to say.
            None => end.write_fmt(text).unwrap_or_default(),
        }
        self.bytes.len() - start
    }

    fn cut<'a>(&mut self, text: &'a str, most: usize) -> &'a str {
        if text.len() <= most {
            return text;
        }
        self.is_cut = true;
        let boundary = (0..=most).rev().find(|at| text.is_char_boundary(*at));
        &text[..boundary.unwrap_or(0)]
    }

    fn patch(&mut self, at: usize, bytes: &[u8]) {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// How much a text may take.
    fn room(&self) -> usize {
        (LONGEST_RECORD - RESERVED).saturating_sub(self.bytes.len())
    }
}

/// How many bytes a number of fields takes.
const COUNT_SIZE: usize = 2;

impl EncodedFields {
    /// These and the others, which count where names are the same.
    pub(crate) fn merged_with(&self, newer: &Self) -> Self {
        let mut encoder = Encoder::default();
        encoder.begin_fields_alone();
        let is_replaced = |name| newer.fields().any(|(other, _)| other == name);
        for (name, value) in self.fields().filter(|(name, _)| !is_replaced(*name)) {
            encoder.value(name, value);
        }
        encoder.append(newer);
        encoder.is_cut |= self.is_cut;
        encoder.finish_fields()
    }

    fn fields(&self) -> Fields<'_> {
        Fields::encoded(self.count, &self.entries)
    }
}

/// The end of a record, where a text is being formatted.
struct End<'a> {
    encoder: &'a mut Encoder,
    room: usize,
}

impl End<'_> {
    fn push(&mut self, text: &str) {
        let fitting = self.encoder.cut(text, self.room);
        self.encoder.bytes.extend_from_slice(fitting.as_bytes());
        // After a cut nothing fits: a later piece would seem to belong to an earlier one.
        self.room = match fitting.len() == text.len() {
            true => self.room - fitting.len(),
            false => 0,
        };
    }
}

impl Write for End<'_> {
    /// Never fails: there are implementations that panic then.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}

/// Enough until the year 2554.
fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
