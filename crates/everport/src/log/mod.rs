//! What the watcher tells: notices, and the lines that workers print.

mod entry;
mod notice;

pub use entry::{Entry, Level, Line, Sink, Stream};
pub use notice::{Ending, Notice};
