//! Amounts of memory on the command line: bytes, or with a unit.

use crate::messages::LIMITS;

/// Below this no program runs: such an amount is a slip in the unit.
const LEAST: u64 = 1024 * 1024;

/// One entry alone can be that long.
const LEAST_FILE: u64 = 64 * 1024;

/// The sizes that rings can have: see [`Builder::log_ring`](crate::watcher::Builder::log_ring).
const RING: std::ops::RangeInclusive<u64> = 256 * 1024..=64 * 1024 * 1024;

/// The limits that messages can have.
const MESSAGE: std::ops::RangeInclusive<u64> = *LIMITS.start() as u64..=*LIMITS.end() as u64;

/// Why a text is not an amount of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum SizeError {
    #[error("not an amount of memory (give one like 512M or 2G)")]
    NotASize,
    #[error("less than a mebibyte, which no program can do with (give one like 512M or 2G)")]
    TooSmall,
    #[error("too small for a log file (give one from 64K on, like 100M)")]
    TooSmallForFile,
    #[error("not a size that a worker's records can have (give one from 256K to 64M)")]
    NotForRing,
    #[error("not a limit that messages can have (give one from 64K to 1G)")]
    NotForMessages,
}

/// An amount of memory in bytes. The units are powers of 1024, as everywhere where memory is meant: `512M`,
/// `512MB` and `512MiB` are the same.
pub(super) fn parse(text: &str) -> Result<u64, SizeError> {
    match bytes(text)? {
        bytes if bytes < LEAST => Err(SizeError::TooSmall),
        bytes => Ok(bytes),
    }
}

/// How large a log file may become.
pub(super) fn parse_file(text: &str) -> Result<u64, SizeError> {
    match bytes(text)? {
        bytes if bytes < LEAST_FILE => Err(SizeError::TooSmallForFile),
        bytes => Ok(bytes),
    }
}

/// How much room a worker's records have.
pub(super) fn parse_ring(text: &str) -> Result<u64, SizeError> {
    match bytes(text)? {
        bytes if RING.contains(&bytes) => Ok(bytes),
        _ => Err(SizeError::NotForRing),
    }
}

/// How long a message may be.
pub(super) fn parse_message(text: &str) -> Result<u64, SizeError> {
    match bytes(text)? {
        bytes if MESSAGE.contains(&bytes) => Ok(bytes),
        _ => Err(SizeError::NotForMessages),
    }
}

fn bytes(text: &str) -> Result<u64, SizeError> {
    let text = text.trim();
    let digits = text.find(|character: char| !character.is_ascii_digit());
    let (number, unit) = text.split_at(digits.unwrap_or(text.len()));
    let number: u64 = number.parse().map_err(|_| SizeError::NotASize)?;
    unit_in_bytes(unit)
        .and_then(|unit| number.checked_mul(unit))
        .ok_or(SizeError::NotASize)
}

fn unit_in_bytes(unit: &str) -> Option<u64> {
    let power = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 1,
        "m" | "mb" | "mib" => 2,
        "g" | "gb" | "gib" => 3,
        "t" | "tb" | "tib" => 4,
        _ => return None,
    };
    Some(1024_u64.pow(power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_usual_units() {
        let check = |text, bytes| assert_eq!(parse(text), Ok(bytes), "{text}");
        check("1048576", 1 << 20);
        check("2048k", 1 << 21);
        check("512M", 512 << 20);
        check("512 MiB", 512 << 20);
        check("2g", 2 << 30);
        check("1T", 1 << 40);
    }

    #[test]
    fn amounts_that_make_no_sense_are_refused() {
        for text in [
            "",
            "M",
            "-1M",
            "1.5G",
            "12X",
            "99999999999999999999",
            "99999999T",
        ] {
            assert_eq!(parse(text), Err(SizeError::NotASize), "{text}");
        }
        for text in ["63K", "1025M", "0"] {
            let error = Err(SizeError::NotForMessages);
            assert_eq!(parse_message(text), error, "{text}");
        }
        assert_eq!(parse("512"), Err(SizeError::TooSmall));
        assert_eq!(parse("0"), Err(SizeError::TooSmall));
    }
}
