//! Writes the stream of entries on a thread of its own: nothing that reads it can hold the watcher.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustix::event::{PollFd, PollFlags, poll};

use super::destination::{Destination, OpenLogError};
use super::queue::{CAPACITY, Item, Queue};
use super::{Entry, Formatter, Level, LogFormat, Sink};
use crate::watcher::Credentials;

/// How long [`Writer::close`] waits for what is not written yet: a stuck reader must not hold our end.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// The thread formats and writes; 128 KiB are more than it uses.
const STACK: usize = 128 * 1024;

/// Writes a cluster's entries to standard output or a file.
///
/// Entries wait in a queue of 8 MiB. If the reader is stuck or the disk is full, entries are dropped and
/// counted, and the count is written where they are missing as soon as the log moves again. Nothing ever
/// blocks the watcher, and no write error ends it.
#[derive(Debug)]
pub struct Writer {
    queue: Arc<Queue>,
}

impl Writer {
    /// Writes entries that matter at least as much as `least` to standard output: in colour if that is a
    /// terminal and `NO_COLOR` is not set. `name` stands for the watcher in each line.
    ///
    /// # Errors
    /// When standard output is closed or the thread cannot be started.
    pub fn to_stdout(least: Level, name: impl Into<String>) -> Result<Self, OpenLogError> {
        Self::start(Destination::stdout()?, least, name.into(), CAPACITY)
    }

    /// Appends entries that matter at least as much as `least` to a file; `*` in its path becomes our
    /// process id. `name` stands for the watcher in each line.
    ///
    /// # Errors
    /// When the file cannot be opened, is a symbolic link, or the thread cannot be started.
    pub fn to_file(
        path: impl AsRef<Path>,
        least: Level,
        name: impl Into<String>,
    ) -> Result<Self, OpenLogError> {
        let destination = Destination::file(path.as_ref(), None)?;
        Self::start(destination, least, name.into(), CAPACITY)
    }

    /// Like [`Writer::to_file`], for a file that workers with these credentials must not be able to exchange:
    /// every directory and symbolic link on the way to it has to be root's or our own, and out of their reach, and
    /// so has the file.
    ///
    /// # Errors
    /// When that is not so, or as for [`Writer::to_file`].
    pub fn to_file_kept_from(
        workers: &Credentials,
        path: impl AsRef<Path>,
        least: Level,
        name: impl Into<String>,
    ) -> Result<Self, OpenLogError> {
        let destination = Destination::file(path.as_ref(), Some(workers))?;
        Self::start(destination, least, name.into(), CAPACITY)
    }

    /// Where the watcher writes its entries.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.queue) as Arc<dyn Sink>
    }

    /// Writes what is left, for at most 2 s, and takes no more. Blocks the thread meanwhile. Returns
    /// whether everything has been written.
    #[must_use = "entries may be missing at the end"]
    pub fn close(self) -> bool {
        self.queue.close();
        self.queue.wait_written(FLUSH_LIMIT)
    }

    fn start(
        destination: Destination,
        least: Level,
        name: String,
        capacity: usize,
    ) -> Result<Self, OpenLogError> {
        let queue = Arc::new(Queue::new(least, capacity));
        let format = match destination.colour {
            true => LogFormat::Pretty,
            false => LogFormat::Plain,
        };
        let mut output = Output::new(destination.file, Formatter::new(format, name));
        let source = Arc::clone(&queue);
        std::thread::Builder::new()
            .name("everport-log".to_owned())
            .stack_size(STACK)
            .spawn(move || {
                let mut batch = Vec::new();
                while source.take(&mut batch) {
                    output.write(&mut batch);
                }
                source.written();
            })
            .map_err(OpenLogError::Thread)?;
        Ok(Self { queue })
    }
}

impl Drop for Writer {
    /// Lets the thread end once everything is written, without waiting for it.
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// The thread's side: formats batches and writes them.
struct Output {
    file: File,
    formatter: Formatter,
    text: Vec<u8>,
    /// Whether the last write ended inside a line.
    inside_line: bool,
    /// Entries that could not be written since the last that could.
    failed: Option<Failed>,
}

struct Failed {
    count: u64,
    cause: String,
}

impl Output {
    fn new(file: File, formatter: Formatter) -> Self {
        Self {
            file,
            formatter,
            text: Vec::new(),
            inside_line: false,
            failed: None,
        }
    }

    /// Writes a batch, empties it, and counts what could not be written.
    fn write(&mut self, batch: &mut Vec<Item>) {
        self.push_preface();
        let preface = self.text.len();
        let mut ends = Vec::with_capacity(batch.len());
        for item in batch.drain(..) {
            ends.push((self.push(&item), item.entries()));
        }
        let written = self.write_text();
        self.text.clear();
        self.text.shrink_to(SMALL_TEXT);
        let Err((written, error)) = written else {
            self.failed = None;
            self.inside_line = false;
            return;
        };
        let missing = ends.iter().filter(|(end, _)| *end > written);
        let count: u64 = missing.map(|(_, entries)| entries).sum();
        let told = written >= preface;
        let before = self.failed.take().filter(|_| !told);
        self.failed = Some(Failed {
            count: before.map_or(0, |failed| failed.count) + count,
            cause: format!("cannot write the log: {error}"),
        });
    }

    /// What has to stand before the batch after a failure: the end of a torn line, and the count.
    fn push_preface(&mut self) {
        if self.inside_line {
            self.text.push(b'\n');
        }
        if let Some(Failed { count, cause }) = &self.failed {
            let now = SystemTime::now();
            self.formatter.push_lost(&mut self.text, now, *count, cause);
        }
    }

    /// Appends an item's lines and returns where they end.
    fn push(&mut self, item: &Item) -> usize {
        match item {
            Item::Entry(at, entry) => self.formatter.push_entry(&mut self.text, *at, entry),
            Item::Lost(count) => {
                let now = SystemTime::now();
                self.formatter.push_lost(
                    &mut self.text,
                    now,
                    *count,
                    "the log's reader did not keep up",
                );
            }
        }
        self.text.len()
    }

    /// Writes the whole text, however long the reader takes; on an error says how much it had written.
    fn write_text(&mut self) -> Result<(), (usize, io::Error)> {
        let text = self.text.as_slice();
        let mut written = 0;
        while written < text.len() {
            match self.file.write(&text[written..]) {
                Ok(0) => return Err((written, io::ErrorKind::WriteZero.into())),
                Ok(count) => {
                    written += count;
                    self.inside_line = text[written - 1] != b'\n';
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_writable(&self.file).map_err(|error| (written, error))?;
                }
                Err(error) => return Err((written, error)),
            }
        }
        Ok(())
    }
}

/// What the buffer for text keeps between two batches, in bytes.
const SMALL_TEXT: usize = 4096;

impl Item {
    /// How many entries are missing if it is.
    fn entries(&self) -> u64 {
        match self {
            Self::Entry(_, Entry::Records(records)) => records.count(),
            Self::Entry(..) => 1,
            Self::Lost(count) => *count,
        }
    }
}

/// Waits until a non-blocking file takes more: others may share it and have made it so.
fn wait_writable(file: &File) -> io::Result<()> {
    match poll(&mut [PollFd::new(file, PollFlags::OUT)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
