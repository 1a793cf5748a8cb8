//! The cluster's one stream: what the watcher tells, what workers print and what they log; how that looks, and where
//! it is written.

mod aborted_rollout;
mod day;
mod describe;
mod describe_life;
mod describe_lost;
mod describe_port;
mod describe_rollout;
#[cfg(test)]
mod describe_thread_tests;
mod describe_watcher;
mod describe_worker;
mod destination;
mod duration;
mod ending;
mod entry;
mod escape;
mod file;
#[cfg(test)]
mod fixtures;
mod format;
mod journald;
mod message;
mod notice;
mod notice_details;
mod notice_event;
mod notice_level;
mod notice_subject;
mod queue;
mod records;
mod rotation;
mod size;
mod socket;
mod stream;
mod syslog;
mod text;
mod thread;
mod writer;

pub use aborted_rollout::AbortedRollout;
pub use destination::OpenLogError;
pub use ending::{Ending, ThreadEnding};
pub use entry::{Entry, Level, LevelError, Line, Lost, Sink, Source, Stream};
pub(crate) use escape::escape_bytes;
pub use file::LogFile;
#[cfg(feature = "cli")]
pub(crate) use file::path_with_pid;
pub use format::{Formatter, LogFormat, LogFormatError};
pub use journald::Journald;
pub use notice::Notice;
pub(crate) use records::Allowance;
pub use records::{Records, WhenFull};
pub use syslog::Syslog;
#[cfg(feature = "cli")]
pub(crate) use text::stdout_takes_colour;
#[cfg(feature = "tracing")]
pub(crate) use text::terminal_takes_colour;
pub use thread::Thread;
pub use writer::{Switches, Writer, WriterBuilder};

pub use crate::record::{Fields, Record, Span, Spans, Value};
