//! Writes entries as lines, to standard output or a file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::time::SystemTime;

use rustix::event::{PollFd, PollFlags, poll};

use super::destination::{Destination, Remark};
use super::file::OpenFile;
use super::queue::Item;
use super::{Entry, Formatter, LogFormat, OpenLogError};

/// What the buffer for text keeps between two batches, in bytes.
const SMALL_TEXT: usize = 4096;

/// Formats batches and writes them.
#[derive(Debug)]
pub(super) struct TextOutput {
    target: Target,
    formatter: Formatter,
    text: Vec<u8>,
    /// Whether the last write ended inside a line.
    inside_line: bool,
    /// Entries that could not be written since the last that could.
    failed: Option<Failed>,
    remarks: Vec<Remark>,
}

/// What is written to.
#[derive(Debug)]
pub(super) enum Target {
    Stdout(File),
    File(OpenFile),
}

#[derive(Debug)]
struct Failed {
    count: u64,
    cause: String,
}

/// Where a part of the text ends, and how many entries are missing without it.
struct Part {
    end: usize,
    entries: u64,
}

/// How far writing went, and why not further.
struct Stopped {
    written: usize,
    error: io::Error,
}

impl Target {
    /// Our standard output.
    pub(super) fn stdout() -> Result<Self, OpenLogError> {
        let copy = io::stdout().as_fd().try_clone_to_owned();
        Ok(Self::Stdout(copy.map_err(OpenLogError::Stdout)?.into()))
    }

    fn file(&self) -> &File {
        match self {
            Self::Stdout(file) => file,
            Self::File(file) => file.file(),
        }
    }

    /// What people call it.
    fn name(&self) -> Cow<'_, str> {
        match self {
            Self::Stdout(_) => Cow::Borrowed("standard output"),
            Self::File(file) => file.path().to_string_lossy(),
        }
    }

    /// Whether it holds so many bytes and no more, so that it matters where each entry ends.
    fn is_limited(&self) -> bool {
        matches!(self, Self::File(file) if file.room() < usize::MAX)
    }
}

/// The form that fits standard output: in colour if a terminal shows it and that is welcome.
pub(super) fn format_of_stdout() -> LogFormat {
    match stdout_takes_colour() {
        true => LogFormat::Pretty,
        false => LogFormat::Plain,
    }
}

/// Whether standard output is a terminal that shows colours and is welcome to.
pub(crate) fn stdout_takes_colour() -> bool {
    io::stdout().is_terminal() && terminal_takes_colour()
}

/// The two wishes that count: `NO_COLOR` (<https://no-color.org>) and a terminal that has none.
pub(crate) fn terminal_takes_colour() -> bool {
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    !no_color && !dumb
}

impl TextOutput {
    pub(super) fn new(target: Target, formatter: Formatter) -> Self {
        Self {
            target,
            formatter,
            text: Vec::new(),
            inside_line: false,
            failed: None,
            remarks: Vec::new(),
        }
    }

    /// Rotates the file before so many bytes are written that should not go into it any more.
    fn rotate_if_due(&mut self, bytes: usize) {
        if let Target::File(file) = &mut self.target
            && file.make_room(bytes)
        {
            self.inside_line = false;
        }
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

    /// Appends an item's lines, and to `parts` where each of its entries ends.
    fn push(&mut self, item: &Item, parts: &mut Vec<Part>) {
        match item {
            Item::Entry(_, Entry::Records(records)) if self.target.is_limited() => {
                for record in records.iter() {
                    let source = records.source();
                    self.formatter
                        .push_record(&mut self.text, Some(&source), &record);
                    let end = self.text.len();
                    parts.push(Part { end, entries: 1 });
                }
                return;
            }
            Item::Entry(at, entry) => self.formatter.push_entry(&mut self.text, *at, entry),
            Item::Lost(count) => {
                let now = SystemTime::now();
                let cause = "the log's reader did not keep up";
                self.formatter.push_lost(&mut self.text, now, *count, cause);
            }
        }
        parts.push(Part {
            end: self.text.len(),
            entries: item.entries(),
        });
    }

    /// Writes all parts of the text, each into one file; on an error says how far it went.
    fn write_parts(&mut self, parts: &[Part]) -> Result<(), Stopped> {
        let mut start = 0;
        let mut rest = parts;
        while let Some(first) = rest.first() {
            let mut count = 1;
            let mut end = first.end;
            self.rotate_if_due(end - start);
            if let Target::File(file) = &mut self.target {
                let room = file.room();
                let fitting = rest.iter().take_while(|part| part.end - start <= room);
                count = fitting.count().max(1);
                end = rest[count - 1].end;
            } else if let Some(last) = rest.last() {
                (count, end) = (rest.len(), last.end);
            }
            self.write_text(start, end)?;
            (start, rest) = (end, &rest[count..]);
        }
        Ok(())
    }

    /// Writes a part of the text, however long the reader takes.
    fn write_text(&mut self, start: usize, end: usize) -> Result<(), Stopped> {
        let mut written = start;
        while written < end {
            let mut file = self.target.file();
            match file.write(&self.text[written..end]) {
                Ok(0) => {
                    let error = io::ErrorKind::WriteZero.into();
                    return Err(Stopped { written, error });
                }
                Ok(count) => {
                    written += count;
                    self.inside_line = self.text[written - 1] != b'\n';
                    if let Target::File(file) = &mut self.target {
                        file.wrote(count);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    wait_writable(file).map_err(|error| Stopped { written, error })?;
                }
                Err(error) => return Err(Stopped { written, error }),
            }
        }
        Ok(())
    }

    /// Keeps in mind what could not be written. The other sinks are told when that begins.
    fn note_failure(&mut self, stopped: &Stopped, preface: usize, parts: &[Part]) {
        self.take_back_torn(stopped, parts);
        let missing = parts.iter().filter(|part| part.end > stopped.written);
        let entries = missing.map(|part| part.entries);
        let cause = format!(
            "cannot write the log to {}: {}",
            self.target.name(),
            stopped.error
        );
        if self.failed.is_none() {
            self.remarks.push(Remark::for_others(cause.clone()));
        }
        let was_told = stopped.written >= preface;
        let before = self.failed.take().filter(|_| !was_told);
        let before = before.map_or(0, |failed| failed.count);
        self.failed = Some(Failed {
            count: entries.fold(before, u64::saturating_add), // a worker may claim any number
            cause,
        });
    }

    /// Removes the beginning of the entry whose rest could not be written, where that can be done.
    fn take_back_torn(&mut self, stopped: &Stopped, parts: &[Part]) {
        let ends = parts.iter().map(|part| part.end);
        let whole = ends.take_while(|end| *end <= stopped.written).last();
        let torn = stopped.written - whole.unwrap_or(0);
        if let Target::File(file) = &mut self.target
            && torn > 0
            && file.take_back(torn)
        {
            self.inside_line = false;
        }
    }
}

impl Destination for TextOutput {
    fn write(&mut self, batch: &mut Vec<Item>) {
        self.rotate_if_due(1);
        self.push_preface();
        let preface = self.text.len();
        let mut parts = Vec::with_capacity(batch.len() + 1);
        if preface > 0 {
            parts.push(Part {
                end: preface,
                entries: 0,
            });
        }
        for item in batch.iter() {
            self.push(item, &mut parts);
        }
        match self.write_parts(&parts) {
            Ok(()) => {
                self.failed = None;
                self.inside_line = false;
            }
            Err(stopped) => self.note_failure(&stopped, preface, &parts),
        }
        // Also when it failed: nobody else may be left to give workers their allowance back.
        batch.iter().for_each(Item::note_done);
        batch.clear();
        self.text.clear();
        self.text.shrink_to(SMALL_TEXT);
    }

    fn reopen(&mut self) -> Option<PathBuf> {
        let Target::File(file) = &mut self.target else {
            return None;
        };
        file.reopen().then(|| {
            self.inside_line = false;
            file.path().to_path_buf()
        })
    }

    fn take_remarks(&mut self) -> Vec<Remark> {
        let mut remarks = std::mem::take(&mut self.remarks);
        if let Target::File(file) = &mut self.target {
            remarks.append(&mut file.take_remarks());
        }
        remarks
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
#[path = "text_tests.rs"]
mod tests;
