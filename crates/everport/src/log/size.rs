//! Amounts of memory as people read them.

use std::fmt;

/// Bytes, shown in mebibytes: `512.0 MiB`.
pub(super) struct Mebibytes(pub(super) u64);

impl fmt::Display for Mebibytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MEBIBYTE: u64 = 1 << 20;
        let tenths = self.0 % MEBIBYTE * 10 / MEBIBYTE;
        write!(f, "{}.{tenths} MiB", self.0 / MEBIBYTE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_mebibytes_with_a_tenth() {
        assert_eq!(Mebibytes(0).to_string(), "0.0 MiB");
        assert_eq!(Mebibytes(512 << 20).to_string(), "512.0 MiB");
        assert_eq!(Mebibytes((2 << 30) + (768 << 10)).to_string(), "2048.7 MiB");
    }
}
