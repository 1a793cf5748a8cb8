//! What the watcher tells: notices, and the lines that workers print.

mod describe;
mod describe_rollout;
mod destination;
mod duration;
mod ending;
mod entry;
mod escape;
mod format;
mod notice;
mod queue;
mod records;
mod size;
mod thread;
mod writer;

pub use destination::OpenLogError;
#[cfg(feature = "tracing")]
pub(crate) use destination::terminal_takes_colour;
pub use ending::Ending;
pub use entry::{Entry, Level, LevelError, Line, Lost, Sink, Source, Stream};
pub(crate) use escape::escape_bytes;
pub use notice::Notice;
pub(crate) use records::Allowance;
pub use records::{Records, WhenFull};
pub use thread::Thread;
pub use writer::Writer;

pub use crate::record::{Fields, Record, Span, Spans, Value};
