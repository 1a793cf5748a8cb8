//! One entry of the cluster's single stream.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::{Notice, Records};
use crate::{Generation, SlotId, WorkerId};

/// Takes the cluster's entries. Called by the watcher's loop and by the tasks that read what workers print, at
/// once if the runtime has several threads: it must not block. When it panics, that entry is lost and nothing else: the
/// watcher goes on.
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
    /// Everything; only records of workers are that detailed.
    Trace,
}

/// Who an entry comes from, or is about: a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Source {
    /// Its id.
    pub worker: WorkerId,
    /// Its slot.
    pub slot: SlotId,
    /// Its generation.
    pub generation: Generation,
    /// Its process id. That of a worker that is a thread is its watcher's.
    pub pid: u32,
}

/// One entry of the stream.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Entry {
    /// The watcher did or saw something, and which worker that is about, if its process is known.
    Notice(Notice, Option<Source>),
    /// A worker printed a line.
    Line(Line),
    /// A worker handed over records.
    Records(Arc<Records>),
    /// A worker handed over more records than were taken.
    Lost(Lost),
}

/// Records that are missing because a worker's ring was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Whose.
    pub source: Source,
    /// How many since this was said last.
    pub count: u64,
}

/// A line a worker printed, whole, without its line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Who printed it.
    pub source: Source,
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

/// A text that names no level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a level: {0:?} (give error, warn, info, debug or trace)")]
pub struct LevelError(String);

impl Entry {
    /// How much it matters. What workers print is [`Level::Info`] on both streams: only they could say more.
    /// Records have levels of their own, which their worker has looked at already: together they matter as much as
    /// anything.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Notice(notice, _) => notice.level(),
            Self::Line(_) => Level::Info,
            Self::Records(_) => Level::Error,
            Self::Lost(_) => Level::Warn,
        }
    }
}

impl Level {
    /// Every level, most urgent first.
    pub const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// Its name in lower case, as `--log-level` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The number that stands for it wherever bytes do: 1 for the most urgent.
    pub(crate) fn number(self) -> u8 {
        match self {
            Self::Error => 1,
            Self::Warn => 2,
            Self::Info => 3,
            Self::Debug => 4,
            Self::Trace => 5,
        }
    }

    /// The level that a number stands for.
    pub(crate) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.number() == number)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(text: &str) -> Result<Self, LevelError> {
        Self::ALL
            .into_iter()
            .find(|level| level.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| LevelError(text.to_owned()))
    }
}
