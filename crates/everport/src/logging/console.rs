//! Writes records to standard output where there is no watcher to do so: whole lines, at once.

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use rustix::event::{PollFd, PollFlags, poll};

use crate::log::{Formatter, LogFormat, terminal_takes_colour};
use crate::record::Record;

/// Said once it is over.
const UNWRITABLE: &str = "standard output could not be written to";

/// Standard output, and what is to be said there yet. It is written to past the buffer of [`io::Stdout`], which may be
/// in use by whoever logs: `println!` formats while it holds that.
pub(super) struct Console(Mutex<Lines>);

struct Lines {
    formatter: Formatter,
    file: Option<File>,
    /// Used again for each record.
    buffer: Vec<u8>,
    /// How many records could not be written.
    lost: u64,
    /// The last line has no end.
    is_torn: bool,
}

impl Console {
    /// Our standard output; in colour on a terminal that takes it, plain elsewhere, unless a format is given.
    pub(super) fn stdout(format: Option<LogFormat>) -> Self {
        let stdout = io::stdout();
        let format = format.unwrap_or(match stdout.is_terminal() && terminal_takes_colour() {
            true => LogFormat::Pretty,
            false => LogFormat::Plain,
        });
        // Where it is closed, or descriptors are used up, records are counted as lost.
        Self::to(stdout.as_fd().try_clone_to_owned().ok(), format)
    }

    pub(super) fn to(file: Option<OwnedFd>, format: LogFormat) -> Self {
        Self(Mutex::new(Lines {
            formatter: Formatter::standalone(format),
            file: file.map(File::from),
            buffer: Vec::new(),
            lost: 0,
            is_torn: false,
        }))
    }

    /// Writes a record. Nothing of the application's runs meanwhile, so nothing can wait for itself.
    pub(super) fn write(&self, record: &[u8]) {
        if let Ok(record) = Record::decode(record) {
            let lines = self.0.lock();
            lines.unwrap_or_else(PoisonError::into_inner).write(&record);
        }
    }
}

impl Lines {
    fn write(&mut self, record: &Record<'_>) {
        self.buffer.clear();
        if self.is_torn {
            self.buffer.push(b'\n');
        }
        if self.lost > 0 {
            let now = SystemTime::now();
            self.formatter
                .push_lost(&mut self.buffer, now, self.lost, UNWRITABLE);
        }
        self.formatter.push_record(&mut self.buffer, None, record);
        match self.write_buffer() {
            Ok(()) => self.lost = 0,
            Err(_) => self.lost += 1,
        }
    }

    /// Writes the buffer, and waits where that takes time even if the file does not.
    fn write_buffer(&mut self) -> io::Result<()> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            match file.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    poll(&mut [PollFd::new(file, PollFlags::OUT)], None).ok();
                }
                Err(error) => {
                    self.is_torn |= rest.len() < self.buffer.len();
                    return Err(error);
                }
            }
        }
        self.is_torn = false;
        Ok(())
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console").finish_non_exhaustive()
    }
}
