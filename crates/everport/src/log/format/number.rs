//! Writes numbers without the detour of the standard library's formatting.

use std::io::{self, Write};

use serde::Serializer as _;
use serde_json::Serializer;

/// Appends an integer.
pub(super) fn push_digits(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a number as JSON and Rust have it: `0.5`, `1e300`; also `NaN`, `inf` and `-inf`, which JSON does not have.
pub(super) fn push_float(out: &mut Vec<u8>, number: f64) {
    let written = if number.is_finite() {
        let written = Serializer::new(&mut *out).serialize_f64(number);
        written.map_err(io::Error::from)
    } else {
        write!(out, "{number}")
    };
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}
