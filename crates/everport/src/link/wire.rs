//! The bytes of a control frame: little-endian fields, read and written one after the other.

use std::time::Duration;

/// The longest control frame in bytes: every listen request and answer fits with room to spare (paths of
/// Unix sockets end at 108 bytes), and a receiver's buffer is one page.
pub(crate) const MAX_FRAME: usize = 4096;

/// Why bytes are not a frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// A message without bytes.
    #[error("an empty frame")]
    Empty,
    /// A message longer than any frame may be.
    #[error("a frame longer than {0} bytes")]
    Oversized(usize),
    /// The bytes end within a field.
    #[error("a frame that ends within its field `{0}`")]
    Truncated(&'static str),
    /// Bytes are left after the last field.
    #[error("a frame of kind {kind} with {count} bytes after its last field")]
    Trailing { kind: u16, count: usize },
    /// No such kind.
    #[error("a frame of the unknown kind {0}")]
    UnknownKind(u16),
    /// A field has a value that means nothing.
    #[error("a frame whose field `{0}` has a value without meaning")]
    Meaningless(&'static str),
    /// The first frame does not begin as this protocol's.
    #[error("a first frame that is not everport's (something else writes to the link)")]
    NotEverport,
    /// Descriptors came along that nobody asked for.
    #[error("a frame with descriptors that were not asked for")]
    UnwantedDescriptors,
}

/// The frame does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a frame would be longer than {MAX_FRAME} bytes (shorten its address, or use fewer ports)")]
pub(crate) struct FrameTooLong;

/// Reads fields off the front of a frame.
pub(crate) struct Reader<'frame> {
    rest: &'frame [u8],
}

/// Appends fields to a frame; what does not fit is reported at the end.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    field_too_long: bool,
}

impl<'frame> Reader<'frame> {
    pub(crate) fn new(frame: &'frame [u8]) -> Self {
        Self { rest: frame }
    }

    /// Whether the next byte is this one.
    pub(crate) fn starts_with(&self, byte: u8) -> bool {
        self.rest.first() == Some(&byte)
    }

    /// Whether everything was read of a frame of this kind.
    pub(crate) fn end(&self, kind: u16) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::Trailing { kind, count }),
        }
    }

    pub(crate) fn array<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (head, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or(DecodeError::Truncated(field))?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        self.array(field).map(u8::from_le_bytes)
    }

    pub(crate) fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        self.array(field).map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.array(field).map(u32::from_le_bytes)
    }

    pub(crate) fn i32(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        self.array(field).map(i32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        self.array(field).map(u64::from_le_bytes)
    }

    pub(crate) fn duration(&mut self, field: &'static str) -> Result<Duration, DecodeError> {
        self.u64(field).map(Duration::from_nanos)
    }

    /// Bytes that follow their `u16` length.
    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<&'frame [u8], DecodeError> {
        let length = usize::from(self.u16(field)?);
        self.take(length, field)
    }

    /// So many bytes.
    pub(crate) fn take(
        &mut self,
        length: usize,
        field: &'static str,
    ) -> Result<&'frame [u8], DecodeError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(DecodeError::Truncated(field))?;
        self.rest = rest;
        Ok(bytes)
    }

    /// Every byte that is left.
    pub(crate) fn rest(&mut self) -> &'frame [u8] {
        std::mem::take(&mut self.rest)
    }

    /// Text as bytes; it is for people, so bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        let bytes = self.bytes(field)?;
        Ok(String::from_utf8_lossy(bytes).into_owned())
    }
}

impl Writer {
    pub(crate) fn new(kind: u16) -> Self {
        Self {
            bytes: kind.to_le_bytes().to_vec(),
            field_too_long: false,
        }
    }

    pub(crate) fn array<const N: usize>(&mut self, bytes: [u8; N]) -> &mut Self {
        self.bytes.extend_from_slice(&bytes);
        self
    }

    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.array(value.to_le_bytes())
    }

    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.array(value.to_le_bytes())
    }

    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.array(value.to_le_bytes())
    }

    pub(crate) fn i32(&mut self, value: i32) -> &mut Self {
        self.array(value.to_le_bytes())
    }

    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.array(value.to_le_bytes())
    }

    /// Nanoseconds; durations beyond 584 years are cut to that.
    pub(crate) fn duration(&mut self, value: Duration) -> &mut Self {
        self.u64(u64::try_from(value.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Bytes after their `u16` length.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        match u16::try_from(bytes.len()) {
            Ok(length) => {
                self.u16(length);
                self.bytes.extend_from_slice(bytes);
            }
            Err(_) => self.field_too_long = true,
        }
        self
    }

    /// Text for people, cut so that it never makes a frame too long.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.bytes(&text.as_bytes()[..end])
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, FrameTooLong> {
        if self.field_too_long || self.bytes.len() > MAX_FRAME {
            return Err(FrameTooLong);
        }
        Ok(self.bytes)
    }
}

/// The longest text in a frame, in bytes: enough for a program's name, its version and a few words.
const MAX_TEXT: usize = 255;
