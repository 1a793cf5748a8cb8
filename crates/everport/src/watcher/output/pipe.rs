//! One of a worker's output pipes: reads it in bounded turns and hands its lines to the sink.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::{Context, Poll};

use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::last_lines::LastLines;
use super::splitter::{LONGEST_PIECE, Piece, Splitter};
use crate::log::{Entry, Line, Sink, Source, Stream, escape_bytes};
use crate::reactor;

/// How much one read takes at most; it stands on the stack of the watcher's loop.
const READ: usize = 16 * 1024;

/// How much one turn takes at most, so that a flooding worker delays the watcher's loop by a millisecond or
/// two even if it prints empty lines only.
const TURN: usize = READ;

/// How much is read in one go for a report at most: what a pipe can hold without privileges
/// (`fs.pipe-max-size`).
const WAITING: usize = 1024 * 1024;

/// Whether a turn left something behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The turn's share is used up; there may be more.
    More,
    /// Nothing will come any more.
    Ended,
}

/// The read end of a pipe, the line that has begun in it, and where its lines go.
pub(super) struct Pipe {
    /// `None` once it has ended or was closed.
    end: Option<AsyncFd<OwnedFd>>,
    splitter: Splitter,
    lines: Lines,
}

/// Turns pieces into entries.
struct Lines {
    source: Source,
    stream: Stream,
    sink: Arc<dyn Sink>,
    last: LastLines,
}

impl Pipe {
    /// Takes over the read end of a pipe, which must be the only one: it becomes non-blocking.
    pub(super) fn open(
        source: Source,
        stream: Stream,
        end: OwnedFd,
        sink: Arc<dyn Sink>,
    ) -> io::Result<Self> {
        rustix::io::ioctl_fionbio(&end, true)?;
        Ok(Self {
            end: Some(reactor::register(end, Interest::READABLE)?),
            splitter: Splitter::new(LONGEST_PIECE),
            lines: Lines {
                source,
                stream,
                sink,
                last: LastLines::default(),
            },
        })
    }

    /// Reads one turn's share. Pending when the pipe is empty, and the task is woken when it no longer is.
    pub(super) fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<Turn> {
        let mut left = TURN;
        while left > 0 {
            let Some(end) = &self.end else {
                return Poll::Ready(Turn::Ended);
            };
            let Ok(mut ready) = std::task::ready!(end.poll_read_ready(context)) else {
                self.close();
                continue;
            };
            match read(end, &mut self.splitter, &mut self.lines, left) {
                Ok(taken @ 1..) => left -= taken,
                Err(Errno::AGAIN) => ready.clear_ready(),
                Ok(0) | Err(_) => {
                    drop(ready);
                    self.close();
                }
            }
        }
        Poll::Ready(Turn::More)
    }

    /// Reads what the dead worker left in the pipe and closes it.
    pub(super) fn finish(&mut self) {
        self.read_waiting();
        self.close();
    }

    /// Reads what is in the pipe. What is still added is not waited for: the amount is fixed when it begins.
    pub(super) fn read_waiting(&mut self) {
        let Some(end) = &self.end else {
            return;
        };
        let mut left = waiting(end).min(WAITING);
        while left > 0 {
            match read(end, &mut self.splitter, &mut self.lines, left) {
                Ok(taken @ 1..) => left -= taken,
                Ok(0) | Err(_) => break,
            }
        }
    }

    /// The last lines it brought, oldest first.
    pub(super) fn last_lines(&self) -> Vec<String> {
        self.lines.last.lines()
    }

    /// Closes the pipe and hands out the line that has begun in it.
    fn close(&mut self) {
        self.end = None;
        self.splitter.finish(|piece| self.lines.take(piece));
    }
}

/// How many bytes wait in a pipe; more than there can be when the system does not say.
fn waiting(end: impl AsFd) -> usize {
    rustix::io::ioctl_fionread(end)
        .ok()
        .and_then(|bytes| usize::try_from(bytes).ok())
        .unwrap_or(usize::MAX)
}

/// Reads once, at most `limit` bytes; 0 at the end of the pipe.
fn read(
    end: impl AsFd,
    splitter: &mut Splitter,
    lines: &mut Lines,
    limit: usize,
) -> Result<usize, Errno> {
    let mut buffer = [0; READ];
    let share = limit.min(READ);
    let taken = rustix::io::retry_on_intr(|| rustix::io::read(&end, &mut buffer[..share]))?;
    splitter.push(&buffer[..taken], |piece| lines.take(piece));
    Ok(taken)
}

impl Lines {
    fn take(&mut self, piece: Piece<'_>) {
        let text = escape_bytes(piece.bytes);
        if self.stream == Stream::Stderr {
            self.last.push(&text, piece.continues);
        }
        self.sink.write(Entry::Line(Line {
            source: self.source,
            stream: self.stream,
            text,
            continues: piece.continues,
        }));
    }
}
