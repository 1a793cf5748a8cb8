//! Where everything is in a ring's memory, and how long its records are: `docs/protocol.md` says it for other languages.

use crate::record::{LENGTH_PREFIX, LONGEST_RECORD};

use super::Nonsense;

/// How much is taken out of a ring before everybody else has a turn; the longest record fits.
pub(crate) const TURN: usize = LONGEST_RECORD + LENGTH_PREFIX;

/// How long the data of a ring is: a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(u32);

impl Size {
    /// Room for thousands of records: a worker that logs 50,000 a second fills it in a tenth of a second.
    pub(crate) const DEFAULT: Self = Self(1024 * 1024);
    /// Records of any length have room, one beside the other.
    const LEAST: u32 = 256 * 1024;
    /// What a dead worker left is taken in one go: that takes less than a tenth of a second.
    const MOST: u32 = 64 * 1024 * 1024;

    /// The next size that a ring can have.
    pub(crate) fn at_least(bytes: u64) -> Self {
        let bytes = u32::try_from(bytes).unwrap_or(Self::MOST);
        Self(bytes.clamp(Self::LEAST, Self::MOST).next_power_of_two())
    }

    /// The size that a watcher says its ring has, if a ring can be that long.
    pub(crate) fn checked(bytes: u32) -> Option<Self> {
        let can_be = bytes.is_power_of_two() && (Self::LEAST..=Self::MOST).contains(&bytes);
        can_be.then_some(Self(bytes))
    }

    pub(crate) fn bytes(self) -> u32 {
        self.0
    }
}

/// How many of the bytes are whole records. They are the first of `committed` bytes, and all of them if those are not
/// more than [`TURN`]; there is at least one whole record among them unless they are nonsense.
pub(super) fn whole_records(bytes: &[u8], committed: u64) -> Result<usize, Nonsense> {
    let is_all = bytes.len() as u64 == committed;
    let mut whole = 0;
    while let Some((length, rest)) = bytes[whole..].split_first_chunk::<LENGTH_PREFIX>() {
        let length = u32::from_le_bytes(*length);
        // No record is that long where this does not fit.
        let bytes_of_it = usize::try_from(length).unwrap_or(usize::MAX);
        if !(1..=LONGEST_RECORD).contains(&bytes_of_it) {
            return Err(Nonsense::Length(length));
        }
        if rest.len() < bytes_of_it {
            break;
        }
        whole += LENGTH_PREFIX + bytes_of_it;
    }
    if is_all && whole < bytes.len() {
        return Err(Nonsense::Beyond);
    }
    Ok(whole)
}
