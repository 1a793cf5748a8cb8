//! Failures by what the client saw.

use std::fmt;
use std::io;

/// What a client saw of a request that was not answered as expected. Nothing is ever retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FailureKind {
    /// The connection was refused: nothing listens.
    Refused,
    /// A fresh connection was reset before any byte of an answer.
    ResetBeforeAnyByte,
    /// A connection that had carried an answer before was reset or closed after this request was sent,
    /// before any byte of its answer.
    ResetOnReused,
    /// A fresh connection was closed in good order, without an answer.
    EndOfFile,
    /// An answer began and broke off.
    Truncated,
    /// The time-out passed.
    TimedOut(Phase),
    /// An answer came, whole or beyond understanding, and it is not the expected one.
    BadAnswer,
    /// Another error of the operating system, by its `errno`; 0 for an error that has none.
    Other(i32),
}

/// What a client waited for when the time-out passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// For the connection.
    Connect,
    /// For the whole answer, beginning with sending the request.
    Answer,
}

/// A failure and the words for whoever looks for its cause.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: FailureKind,
    pub(crate) detail: String,
}

/// How much of an exchange a client had seen when the connection broke.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    /// Whether the connection had carried an answer before.
    pub(crate) reused: bool,
    /// Bytes of this answer.
    pub(crate) bytes: usize,
}

impl Failure {
    pub(crate) fn bad_answer(detail: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::BadAnswer,
            detail: detail.into(),
        }
    }

    pub(crate) fn timed_out(phase: Phase, detail: impl Into<String>) -> Self {
        Self {
            kind: FailureKind::TimedOut(phase),
            detail: detail.into(),
        }
    }

    /// No connection was made.
    pub(crate) fn connecting(error: &io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::ConnectionRefused => FailureKind::Refused,
            // The handshake was finished and the connection reset before we came to look at it.
            _ if is_reset(error) => FailureKind::ResetBeforeAnyByte,
            io::ErrorKind::TimedOut => FailureKind::TimedOut(Phase::Connect),
            _ => other(error),
        };
        let detail = format!("connecting: {error}");
        Self { kind, detail }
    }

    /// The connection ended before the answer was whole: closed in good order, or broken by an error.
    pub(crate) fn broken(error: Option<&io::Error>, seen: Seen) -> Self {
        let kind = match error {
            Some(error) if error.kind() == io::ErrorKind::TimedOut => {
                FailureKind::TimedOut(Phase::Answer)
            }
            Some(error) if !is_reset(error) => other(error),
            _ if seen.bytes > 0 => FailureKind::Truncated,
            _ if seen.reused => FailureKind::ResetOnReused,
            Some(_) => FailureKind::ResetBeforeAnyByte,
            None => FailureKind::EndOfFile,
        };
        let how = error.map_or_else(|| "end of file".to_owned(), ToString::to_string);
        let detail = format!("after {} bytes of the answer: {how}", seen.bytes);
        Self { kind, detail }
    }
}

/// Whether the other side ended the connection: which of these errors a client meets depends only on
/// whether it was reading or writing at that moment.
pub(crate) fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
    )
}

fn other(error: &io::Error) -> FailureKind {
    FailureKind::Other(error.raw_os_error().unwrap_or(0))
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Refused => "refused",
            Self::ResetBeforeAnyByte => "reset before any byte",
            Self::ResetOnReused => "reset on a reused connection",
            Self::EndOfFile => "end of file without an answer",
            Self::Truncated => "answer truncated",
            Self::TimedOut(Phase::Connect) => "timed out connecting",
            Self::TimedOut(Phase::Answer) => "timed out waiting for the answer",
            Self::BadAnswer => "bad answer",
            Self::Other(0) => "other error",
            Self::Other(errno) => {
                return write!(f, "{}", io::Error::from_raw_os_error(*errno));
            }
        };
        f.pad(text)
    }
}
