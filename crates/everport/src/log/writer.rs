//! The log of a cluster: one stream, written to several places at once.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::destination::{self, Destination, OpenLogError};
use super::file::{LogFile, OpenFile};
use super::journald::{Journald, Native};
use super::queue::{CAPACITY, Queue};
use super::socket::MessageOutput;
use super::stream::Stream;
use super::syslog::{Rfc3164, Syslog};
use super::text::{Target, TextOutput, format_of_stdout};
use super::{Formatter, Level, LogFormat, Sink};

/// How long [`Writer::close`] waits for what is not written yet: a stuck reader must not hold our end.
const FLUSH_LIMIT: Duration = Duration::from_secs(2);

/// Writes a cluster's entries, each of them to every place that was asked for.
///
/// Each place has a queue and a thread. If its reader is stuck or its disk is full, entries are missing there
/// and nowhere else; their number is written where they are missing as soon as it moves again. Nothing ever blocks the
/// watcher, and no error ends anything. What the kernel does beyond a limit on the size of files (`RLIMIT_FSIZE`) is an
/// error only in a program that takes or ignores `SIGXFSZ`, as the command does.
///
/// ```no_run
/// use everport::log::{Journald, Level, LogFile, Writer};
///
/// # fn example() -> Result<(), everport::log::OpenLogError> {
/// let log = Writer::builder("shop")
///     .level(Level::Debug)
///     .stdout()
///     .file(LogFile::at("/var/log/shop.log").rotate_size(100 << 20).keep(7).compress())
///     .journald(Journald::default())
///     .start()?;
/// let sink = log.sink(); // for the watcher's builder
/// # drop(sink);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Writer {
    stream: Arc<Stream>,
}

/// What a [`Writer`] is to write, and where.
#[derive(Debug, Clone)]
pub struct WriterBuilder {
    name: String,
    identifier: Option<String>,
    least: Level,
    capacity: usize,
    stdout: Option<Option<LogFormat>>,
    files: Vec<LogFile>,
    journals: Vec<Journald>,
    syslogs: Vec<Syslog>,
}

impl Writer {
    /// Begins with a log without any place, which goes to standard output then. `name` stands for the watcher in each
    /// of its entries.
    pub fn builder(name: impl Into<String>) -> WriterBuilder {
        WriterBuilder {
            name: name.into(),
            identifier: None,
            least: Level::Info,
            capacity: CAPACITY,
            stdout: None,
            files: Vec::new(),
            journals: Vec::new(),
            syslogs: Vec::new(),
        }
    }

    /// Where the watcher writes its entries.
    #[must_use]
    pub fn sink(&self) -> Arc<dyn Sink> {
        Arc::clone(&self.stream) as Arc<dyn Sink>
    }

    /// What can be changed while it writes.
    #[must_use]
    pub fn switches(&self) -> Switches {
        Switches {
            stream: Arc::clone(&self.stream),
        }
    }

    /// Writes what is left, everywhere at once and for at most 2 s, and takes no more. Blocks the thread meanwhile.
    /// Returns whether everything has been written.
    #[must_use = "entries may be missing at the end"]
    pub fn close(self) -> bool {
        self.close_within(FLUSH_LIMIT)
    }

    fn close_within(&self, limit: Duration) -> bool {
        self.take_no_more();
        let deadline = Instant::now() + limit;
        let mut queues = self.stream.queues().iter();
        queues.all(|queue| queue.wait_written(deadline.saturating_duration_since(Instant::now())))
    }

    fn take_no_more(&self) {
        for queue in self.stream.queues() {
            queue.close();
        }
    }

    fn start(
        destinations: Vec<Box<dyn Destination>>,
        least: Level,
        capacity: usize,
    ) -> Result<Self, OpenLogError> {
        let queues = destinations
            .iter()
            .map(|_| Arc::new(Queue::new(capacity)))
            .collect();
        // Dropped, should a thread not start, it ends those that have.
        let writer = Self {
            stream: Arc::new(Stream::new(least, queues)),
        };
        for (destination, queue) in destinations.into_iter().zip(writer.stream.queues()) {
            destination::start(destination, Arc::clone(queue), Arc::clone(&writer.stream))?;
        }
        Ok(writer)
    }
}

/// What can be changed about a [`Writer`] while it writes. Cheap to clone; once that is closed, nothing happens.
#[derive(Debug, Clone)]
pub struct Switches {
    stream: Arc<Stream>,
}

impl Switches {
    /// Changes which entries are written: those that matter at least as much. Records of workers are filtered by these
    /// themselves: see [`Handle::set_log_level`](crate::watcher::Handle::set_log_level).
    pub fn set_level(&self, least: Level) {
        self.stream.set_level(least);
    }

    /// Opens every log file anew, soon: call it when somebody has renamed or removed one.
    pub fn reopen(&self) {
        for queue in self.stream.queues() {
            queue.reopen();
        }
    }
}

impl Drop for Writer {
    /// Lets the threads end once everything is written, without waiting for them.
    fn drop(&mut self) {
        self.take_no_more();
    }
}

impl WriterBuilder {
    /// Writes entries that matter at least as much; [`Level::Info`] unless this is called.
    #[must_use]
    pub fn level(mut self, least: Level) -> Self {
        self.least = least;
        self
    }

    /// How much may wait for each place, in bytes; 8 MiB unless this is called, and never less. A worker has at most
    /// half of that. What comes beside it are records that workers wait for, and what dead workers left in their rings,
    /// of which as much may wait as the rings of all workers hold.
    #[must_use]
    pub fn queue(mut self, bytes: usize) -> Self {
        self.capacity = bytes.max(CAPACITY);
        self
    }

    /// What the journal and syslog call the cluster; the watcher's name unless this is called.
    #[must_use]
    pub fn identifier(mut self, identifier: impl Into<String>) -> Self {
        self.identifier = Some(identifier.into());
        self
    }

    /// Writes to standard output: in colour if that is a terminal and `NO_COLOR` is not set, else plainly.
    #[must_use]
    pub fn stdout(mut self) -> Self {
        self.stdout = Some(None);
        self
    }

    /// Writes to standard output in this form.
    #[must_use]
    pub fn stdout_as(mut self, format: LogFormat) -> Self {
        self.stdout = Some(Some(format));
        self
    }

    /// Appends to a file. May be called for several.
    #[must_use]
    pub fn file(mut self, file: LogFile) -> Self {
        self.files.push(file);
        self
    }

    /// Sends to the journal of systemd. May be called for several, such as those of namespaces.
    #[must_use]
    pub fn journald(mut self, journald: Journald) -> Self {
        self.journals.push(journald);
        self
    }

    /// Sends to the machine's syslog daemon. May be called for several.
    #[must_use]
    pub fn syslog(mut self, syslog: Syslog) -> Self {
        self.syslogs.push(syslog);
        self
    }

    /// Opens every place and begins to write.
    ///
    /// # Errors
    /// When a place cannot be opened, or a thread cannot be started.
    pub fn start(self) -> Result<Writer, OpenLogError> {
        let mut destinations = Vec::new();
        if let Some(format) = self.stdout_format() {
            destinations.push(self.stdout_output(format)?);
        }
        for file in &self.files {
            destinations.push(self.file_output(file)?);
        }
        let identifier = self.identifier.unwrap_or(self.name);
        for journald in self.journals {
            let native = Native::new(&identifier);
            let output = MessageOutput::open(native, journald.into_path())?;
            destinations.push(Box::new(output));
        }
        for syslog in self.syslogs {
            let output = MessageOutput::open(Rfc3164::new(&identifier), syslog.into_path())?;
            destinations.push(Box::new(output));
        }
        Writer::start(destinations, self.least, self.capacity)
    }

    /// The form of what goes to standard output, if anything does.
    fn stdout_format(&self) -> Option<Option<LogFormat>> {
        let is_default =
            self.files.is_empty() && self.journals.is_empty() && self.syslogs.is_empty();
        self.stdout.or(is_default.then_some(None))
    }

    fn stdout_output(
        &self,
        format: Option<LogFormat>,
    ) -> Result<Box<dyn Destination>, OpenLogError> {
        let format = format.unwrap_or_else(format_of_stdout);
        self.text_output(Target::stdout()?, format)
    }

    fn file_output(&self, file: &LogFile) -> Result<Box<dyn Destination>, OpenLogError> {
        file.check_stdout()?;
        if file.is_stdout() {
            return self.stdout_output(file.log_format());
        }
        let format = file.log_format().unwrap_or(LogFormat::Plain);
        self.text_output(Target::File(OpenFile::open(file.clone())?), format)
    }

    fn text_output(
        &self,
        target: Target,
        format: LogFormat,
    ) -> Result<Box<dyn Destination>, OpenLogError> {
        let formatter = Formatter::new(format, self.name.clone());
        Ok(Box::new(TextOutput::new(target, formatter)))
    }
}

#[cfg(test)]
#[path = "writer_tests.rs"]
mod tests;
