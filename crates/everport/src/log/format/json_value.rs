//! The parts of a line of JSON: texts, numbers, and objects made of them.

use std::io::{self, Write};

use serde::Serializer as _;
use serde_json::ser::{Formatter, Serializer};

use super::number::{push_digits, push_float};
use crate::log::escape::{each_byte, is_harmful, is_plain};
use crate::log::notice_details::Detail;
use crate::log::{Thread, Value};

/// Writes texts so that nothing in them drives a terminal, which JSON alone does not ask for.
struct Harmless;

impl Formatter for Harmless {
    /// What JSON lets stand as it is.
    fn write_string_fragment<W>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()>
    where
        W: ?Sized + Write,
    {
        if each_byte(fragment, |byte| matches!(byte, b' '..=b'~')) {
            return writer.write_all(fragment.as_bytes());
        }
        let mut rest = fragment;
        while let Some((at, character)) = rest.char_indices().find(|(_, it)| is_harmful(*it)) {
            writer.write_all(&rest.as_bytes()[..at])?;
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[at + character.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }
}

/// Appends a text in quotation marks.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    if is_plain(text) {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    let written = Serializer::with_formatter(&mut *out, Harmless).serialize_str(text);
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}

/// An object in the making. Its own keys are plain words.
pub(super) struct Object<'out> {
    out: &'out mut Vec<u8>,
    is_empty: bool,
}

impl<'out> Object<'out> {
    /// Begins an object, which ends with [`Object::end`].
    pub(super) fn begin(out: &'out mut Vec<u8>) -> Self {
        out.push(b'{');
        Self {
            out,
            is_empty: true,
        }
    }

    /// Goes on with an object that has members already.
    pub(super) fn resume(out: &'out mut Vec<u8>) -> Self {
        Self {
            out,
            is_empty: false,
        }
    }

    /// Ends the object; what it is in may go on.
    pub(super) fn end(self) -> &'out mut Vec<u8> {
        self.out.push(b'}');
        self.out
    }

    /// Begins a member with a key of our own; what is appended next is its value.
    pub(super) fn key(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.separate();
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out
    }

    /// Begins a member with any key.
    pub(super) fn named(&mut self, name: &str) -> &mut Vec<u8> {
        self.separate();
        push_text(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub(super) fn text(&mut self, name: &'static str, text: &str) {
        push_text(self.key(name), text);
    }

    pub(super) fn number(&mut self, name: &'static str, number: impl itoa::Integer) {
        push_digits(self.key(name), number);
    }

    pub(super) fn bool(&mut self, name: &'static str, value: bool) {
        push_bool(self.key(name), value);
    }

    /// Appends members that were made before, each with its comma.
    pub(super) fn members(&mut self, made: &[u8]) {
        self.out.extend_from_slice(made);
    }

    fn separate(&mut self) {
        if !self.is_empty {
            self.out.push(b',');
        }
        self.is_empty = false;
    }
}

/// Appends the value of a record's field. What JSON's readers would get wrong is a text: integers of 128 bits, and
/// numbers that are none or without end.
pub(super) fn push_value(out: &mut Vec<u8>, value: Value<'_>) {
    match value {
        Value::Text(text) => push_text(out, text),
        Value::Signed(number) => push_digits(out, number),
        Value::Unsigned(number) => push_digits(out, number),
        Value::Float(number) if number.is_finite() => push_float(out, number),
        Value::Float(number) => push_bare(out, number),
        Value::Signed128(number) => push_bare(out, number),
        Value::Unsigned128(number) => push_bare(out, number),
        Value::Bool(value) => push_bool(out, value),
    }
}

/// Appends what a notice says.
pub(super) fn push_detail(out: &mut Vec<u8>, detail: &Detail<'_>) {
    match detail {
        Detail::Nothing => out.extend_from_slice(b"null"),
        Detail::Text(text) => push_text(out, text),
        Detail::Number(number) => push_digits(out, *number),
        Detail::Count(number) => push_digits(out, *number),
        Detail::Bool(value) => push_bool(out, *value),
        Detail::Milliseconds(duration) => push_float(out, duration.as_micros() as f64 / 1e3),
        Detail::Texts(texts) => push_array(out, texts, |out, text| push_text(out, text)),
        Detail::Threads(threads) => push_array(out, threads, push_thread),
    }
}

fn push_thread(out: &mut Vec<u8>, thread: &Thread) {
    let mut object = Object::begin(out);
    object.number("id", thread.id);
    object.text("name", &thread.name);
    object.text("state", thread.state.encode_utf8(&mut [0; 4]));
    let channel = thread.wait_channel.as_deref();
    push_detail(object.key("wait_channel"), &channel.into());
    push_detail(object.key("stack"), &Detail::Texts(&thread.stack));
    object.end();
}

fn push_array<T>(out: &mut Vec<u8>, items: &[T], mut push: impl FnMut(&mut Vec<u8>, &T)) {
    out.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push(out, item);
    }
    out.push(b']');
}

pub(super) fn push_bool(out: &mut Vec<u8>, value: bool) {
    out.extend_from_slice(if value { b"true" } else { b"false" });
}

/// Appends a number as a text: nothing in it needs an escape.
fn push_bare(out: &mut Vec<u8>, number: impl std::fmt::Display) {
    let written = write!(out, "\"{number}\"");
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}
