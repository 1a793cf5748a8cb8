//! Variables for the workers' environment: `KEY=VALUE`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use crate::link::LINK_VARIABLE;

/// A variable and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EnvVar {
    pub(super) key: OsString,
    pub(super) value: OsString,
}

/// Why a text is not a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum EnvVarError {
    #[error("no `=` in it (write KEY=VALUE, or KEY= for an empty value)")]
    NoEquals,
    #[error("no name before the `=` (write KEY=VALUE)")]
    NoKey,
    #[error("EVERPORT_LINK belongs to the watcher (choose another name)")]
    Reserved,
}

/// The variable that is written as `KEY=VALUE`; the value may hold more of `=`.
pub(super) fn parse(text: &OsStr) -> Result<EnvVar, EnvVarError> {
    let bytes = text.as_bytes();
    let equals = bytes.iter().position(|byte| *byte == b'=');
    let (key, value) = match equals {
        None => return Err(EnvVarError::NoEquals),
        Some(0) => return Err(EnvVarError::NoKey),
        Some(at) => (&bytes[..at], &bytes[at + 1..]),
    };
    if key == LINK_VARIABLE.as_bytes() {
        return Err(EnvVarError::Reserved);
    }
    Ok(EnvVar {
        key: OsStr::from_bytes(key).to_owned(),
        value: OsStr::from_bytes(value).to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &[u8], expected: Result<(&str, &[u8]), EnvVarError>) {
        let expected = expected.map(|(key, value)| EnvVar {
            key: key.into(),
            value: OsStr::from_bytes(value).to_owned(),
        });
        assert_eq!(parse(OsStr::from_bytes(text)), expected);
    }

    #[test]
    fn a_variable_is_cut_at_its_first_equals_sign() {
        check(b"A=b", Ok(("A", b"b")));
        check(b"A=", Ok(("A", b"")));
        check(b"A=b=c", Ok(("A", b"b=c")));
        check(b"A=\xff", Ok(("A", b"\xff")));
    }

    #[test]
    fn what_is_no_variable_is_refused() {
        check(b"A", Err(EnvVarError::NoEquals));
        check(b"", Err(EnvVarError::NoEquals));
        check(b"=b", Err(EnvVarError::NoKey));
        check(b"EVERPORT_LINK=3:4", Err(EnvVarError::Reserved));
    }
}
