//! What the watcher tells: notices, and the lines that workers print.

mod describe;
mod duration;
mod ending;
mod entry;
mod escape;
mod notice;

pub use ending::Ending;
pub use entry::{Entry, Level, LevelError, Line, Sink, Stream};
pub(crate) use escape::escape_bytes;
pub use notice::Notice;
