//! What is wrong with a ring.

/// Why what is in a ring cannot be taken. A ring is its worker's to fill, and nothing in it is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Nonsense {
    /// The head is behind the tail, or further ahead of it than the ring is long.
    #[error("a head at {head} with the tail at {tail}")]
    Head { head: u64, tail: u64 },
    /// No record is that long.
    #[error("a record of {0} bytes")]
    Length(u32),
    /// The record goes on where nothing has been committed.
    #[error("a record that goes beyond what is committed")]
    Beyond,
    /// The number of lost records became smaller.
    #[error("fewer lost records ({now}) than before ({before})")]
    Lost { now: u64, before: u64 },
    /// The bytes between two lengths are not a record.
    #[error(transparent)]
    Record(#[from] crate::record::Malformed),
    /// The system does not let us read it.
    #[error("memory that cannot be read ({0})")]
    Unreadable(rustix::io::Errno),
}
