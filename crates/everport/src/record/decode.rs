//! Reads a record's bytes. They come from a stranger: whatever is not exactly a record is an error.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{CUT, tag};
use crate::log::Level;

/// One record of a worker. Nothing in it is escaped: see [`crate::log`] for what its texts may hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Record<'a> {
    /// When the worker says it was made.
    pub time: SystemTime,
    /// How much it matters.
    pub level: Level,
    /// The name of the thread that made it, or its id.
    pub thread: &'a str,
    /// What it is about, mostly a module's path.
    pub target: &'a str,
    /// Its text; empty when it has fields only.
    pub message: &'a str,
    /// Its fields, without the message.
    pub fields: Fields<'a>,
    /// The spans it was made in, the outermost first.
    pub spans: Spans<'a>,
    /// Whether it was too long and something is left out.
    pub is_cut: bool,
}

/// A span that a record was made in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its fields.
    pub fields: Fields<'a>,
}

/// The value of a field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// A text, or whatever only its `Debug` or `Display` tells.
    Text(&'a str),
    /// A signed number.
    Signed(i64),
    /// An unsigned number.
    Unsigned(u64),
    /// A number with a fraction; it may be infinite or none at all.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// A large signed number.
    Signed128(i128),
    /// A large unsigned number.
    Unsigned128(u128),
}

/// The fields of a record or a span, in their order: names and values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fields<'a> {
    count: u16,
    reader: Reader<'a>,
}

/// The spans of a record, the outermost first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spans<'a> {
    count: u8,
    reader: Reader<'a>,
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    /// The bytes end within something.
    #[error("a record that ends within its {0}")]
    Truncated(&'static str),
    /// Bytes are left after the last span.
    #[error("a record with {0} bytes too many")]
    Trailing(usize),
    /// A value that means nothing.
    #[error("a record whose {0} means nothing")]
    Meaningless(&'static str),
    /// Text that is not UTF-8.
    #[error("a record whose {0} is not UTF-8")]
    NotText(&'static str),
}

/// What is left of the bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Reader<'a>(&'a [u8]);

impl<'a> Record<'a> {
    /// The level of the record that these bytes are, without a look at the rest.
    pub(crate) fn level_of(bytes: &[u8]) -> Option<Level> {
        Level::from_number(*bytes.first()?)
    }

    /// The record these bytes are, checked to its end.
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut reader = Reader(bytes);
        let level = Level::from_number(reader.u8("level")?);
        let level = level.ok_or(Malformed::Meaningless("level"))?;
        let flags = reader.u8("flags")?;
        if flags & !CUT != 0 {
            return Err(Malformed::Meaningless("flags"));
        }
        let time = UNIX_EPOCH + Duration::from_nanos(reader.u64("time")?);
        let thread = reader.short_text("thread")?;
        let target = reader.short_text("target")?;
        let message = reader.long_text("message")?;
        let fields = reader.fields()?;
        let spans = reader.spans()?;
        match reader.0.len() {
            0 => Ok(Self {
                time,
                level,
                thread,
                target,
                message,
                fields,
                spans,
                is_cut: flags & CUT != 0,
            }),
            count => Err(Malformed::Trailing(count)),
        }
    }
}

#[cfg(any(test, feature = "tracing"))]
impl<'a> Fields<'a> {
    /// So many fields, which the encoder has written.
    pub(super) fn encoded(count: u16, entries: &'a [u8]) -> Self {
        let reader = Reader(entries);
        Self { count, reader }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = (&'a str, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        // They were read once before.
        self.reader.field().ok()
    }
}

impl<'a> Iterator for Spans<'a> {
    type Item = Span<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        // They were read once before.
        self.reader.span().ok()
    }
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Malformed::Truncated(what))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self
            .0
            .split_first_chunk()
            .ok_or(Malformed::Truncated(what))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        self.array(what).map(u8::from_le_bytes)
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        self.array(what).map(u64::from_le_bytes)
    }

    fn text(&mut self, length: usize, what: &'static str) -> Result<&'a str, Malformed> {
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes).map_err(|_| Malformed::NotText(what))
    }

    fn short_text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        let length = self.u8(what)?;
        self.text(usize::from(length), what)
    }

    fn long_text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        let length = u32::from_le_bytes(self.array(what)?);
        // No record is that long where this does not fit.
        self.text(usize::try_from(length).unwrap_or(usize::MAX), what)
    }

    fn field(&mut self) -> Result<(&'a str, Value<'a>), Malformed> {
        let name = self.short_text("field name")?;
        let value = match self.u8("field")? {
            tag::TEXT => Value::Text(self.long_text("field")?),
            tag::SIGNED => Value::Signed(i64::from_le_bytes(self.array("field")?)),
            tag::UNSIGNED => Value::Unsigned(self.u64("field")?),
            tag::FLOAT => Value::Float(f64::from_le_bytes(self.array("field")?)),
            tag::BOOL => Value::Bool(match self.u8("field")? {
                0 => false,
                1 => true,
                _ => return Err(Malformed::Meaningless("field")),
            }),
            tag::SIGNED_128 => Value::Signed128(i128::from_le_bytes(self.array("field")?)),
            tag::UNSIGNED_128 => Value::Unsigned128(u128::from_le_bytes(self.array("field")?)),
            _ => return Err(Malformed::Meaningless("field")),
        };
        Ok((name, value))
    }

    /// The fields that follow, each of them checked.
    fn fields(&mut self) -> Result<Fields<'a>, Malformed> {
        let count = u16::from_le_bytes(self.array("fields")?);
        let reader = *self;
        for _ in 0..count {
            self.field()?;
        }
        Ok(Fields { count, reader })
    }

    fn span(&mut self) -> Result<Span<'a>, Malformed> {
        let name = self.short_text("span")?;
        let fields = self.fields()?;
        Ok(Span { name, fields })
    }

    fn spans(&mut self) -> Result<Spans<'a>, Malformed> {
        let count = self.u8("spans")?;
        let reader = *self;
        for _ in 0..count {
            self.span()?;
        }
        Ok(Spans { count, reader })
    }
}
