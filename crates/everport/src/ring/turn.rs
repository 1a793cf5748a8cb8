//! What of a ring's bytes is taken at once: whole records.

use super::Nonsense;
use crate::record::{LENGTH_PREFIX, LONGEST_RECORD};

/// How much is taken out of a ring before everybody else has a turn; the longest record fits.
pub(super) const TURN: usize = LONGEST_RECORD + LENGTH_PREFIX;

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
