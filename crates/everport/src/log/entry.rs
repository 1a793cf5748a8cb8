//! One entry of the cluster's single stream.

use super::Notice;
use crate::{SlotId, WorkerId};

/// Takes the cluster's entries. Called on the watcher's loop: it must not block.
pub trait Sink: Send + Sync {
    /// Takes one entry; one that cannot be kept is dropped and counted by the sink.
    fn write(&self, entry: Entry);
}

/// How much an entry matters, most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something failed and somebody should look.
    Error,
    /// Something is not as it should be; the cluster copes.
    Warn,
    /// The ordinary course of things.
    Info,
    /// Details for whoever looks for a cause.
    Debug,
}

/// One entry of the stream.
#[derive(Debug, Clone)]
pub enum Entry {
    /// The watcher did or saw something.
    Notice(Notice),
    /// A worker printed a line.
    Line(Line),
}

/// A line a worker printed, whole, without its line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who printed it.
    pub worker: WorkerId,
    /// Its slot.
    pub slot: SlotId,
    /// Where to.
    pub stream: Stream,
    /// The text with escape sequences and control characters made harmless.
    pub text: String,
    /// Whether the line was over-long and goes on in the next entry.
    pub continues: bool,
}

/// Where a worker printed a line to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Its standard output.
    Stdout,
    /// Its standard error.
    Stderr,
}
