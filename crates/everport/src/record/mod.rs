//! Log records as workers hand them over: their bytes, written by the worker's side and read by the watcher's.
//! `docs/protocol.md` describes them.

mod decode;
#[cfg(any(test, feature = "tracing"))]
mod encode;

#[cfg(test)]
mod tests;

pub(crate) use decode::Malformed;
pub use decode::{Fields, Record, Span, Spans, Value};
#[cfg(feature = "tracing")]
pub(crate) use encode::EncodedFields;
#[cfg(any(test, feature = "tracing"))]
pub(crate) use encode::{Encoder, Header};

/// The longest record in bytes, its own length not counted. What is longer is cut and marked as such, so that no
/// record takes more than a small part of a ring.
#[cfg(any(
    test,
    feature = "tracing",
    all(target_os = "linux", not(everport_portable))
))]
pub(crate) const LONGEST_RECORD: usize = 64 * 1024;

/// How many bytes stand before each record in a ring: its length.
pub(crate) const LENGTH_PREFIX: usize = 4;

/// What a field's value is.
mod tag {
    pub(super) const TEXT: u8 = 0;
    pub(super) const SIGNED: u8 = 1;
    pub(super) const UNSIGNED: u8 = 2;
    pub(super) const FLOAT: u8 = 3;
    pub(super) const BOOL: u8 = 4;
    pub(super) const SIGNED_128: u8 = 5;
    pub(super) const UNSIGNED_128: u8 = 6;
}

/// Set in a record's flags when something of it was left out.
const CUT: u8 = 1;
