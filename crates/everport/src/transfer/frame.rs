//! What goes through the stream: for each socket a head and its data, and the descriptor with the first byte.

/// Every frame begins with it, so that whoever sends something else is found out at once.
const MARK: [u8; 4] = *b"SOCK";

/// The length of a head: the mark, and the length of the data (little-endian).
pub(super) const HEAD: usize = 8;

/// What the other side sent that no [`Sender`](super::Sender) sends. It comes from a stranger, or the stream was used
/// for something else, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// It does not begin as a frame does.
    #[error("bytes that are no frame")]
    NotAFrame,
    /// There is more data than the receiver takes.
    #[error("{length} bytes of data with a socket, and {limit} are allowed")]
    TooLong {
        /// So many bytes were announced.
        length: usize,
        /// So many are allowed: see [`Receiver::limit`](super::Receiver::limit).
        limit: usize,
    },
    /// No descriptor came with a frame.
    #[error("a frame without a socket")]
    NoSocket,
    /// More than one descriptor came with a frame.
    #[error("a frame with more than one descriptor")]
    ManyDescriptors,
    /// A descriptor came in the midst of a frame.
    #[error("a descriptor in the midst of a frame")]
    StrayDescriptor,
}

/// The head of a frame with so much data.
pub(super) fn head(length: u32) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&MARK);
    head[4..].copy_from_slice(&length.to_le_bytes());
    head
}

/// How much data follows a head.
pub(super) fn data_length(head: [u8; HEAD], limit: usize) -> Result<usize, Violation> {
    let [a, b, c, d, length @ ..] = head;
    if [a, b, c, d] != MARK {
        return Err(Violation::NotAFrame);
    }
    // Where a length does not fit it is too long anyway.
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > limit {
        return Err(Violation::TooLong { length, limit });
    }
    Ok(length)
}
