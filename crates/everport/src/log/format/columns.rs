//! What stands before the text of a line: time, level, and who.

use std::io::Write;
use std::time::SystemTime;

use super::timestamp::Timestamp;
use crate::SlotId;
use crate::log::{Level, Source};

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// The colours of slots, in turn: none of them means a level.
const SLOT_COLOURS: [&str; 5] = ["\x1b[36m", "\x1b[35m", "\x1b[34m", "\x1b[96m", "\x1b[95m"];

/// How wide the column of who is, unless somebody needs more.
const WHO: usize = 7;

/// How many characters stand before who: the time, the level, and what is between.
const BEFORE_WHO: usize = 31;

/// What a text begins with that belongs to the entry before it.
pub(super) const CONTINUATION: &str = "| ";

/// Colours, or none of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Paint {
    is_coloured: bool,
}

/// Who an entry is from, as the column shows it.
#[derive(Debug, Clone)]
pub(super) struct Who {
    text: String,
    colour: &'static str,
}

/// Writes columns.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    pub(super) paint: Paint,
    timestamp: Timestamp,
}

impl Paint {
    pub(super) const NONE: Self = Self { is_coloured: false };

    /// Begins something that matters less than what stands beside it.
    pub(super) fn dim(self, out: &mut Vec<u8>) {
        self.begin(out, DIM);
    }

    /// Ends a colour.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        self.begin(out, RESET);
    }

    fn begin(self, out: &mut Vec<u8>, colour: &str) {
        if self.is_coloured {
            out.extend_from_slice(colour.as_bytes());
        }
    }
}

impl Who {
    /// The watcher, by its name.
    pub(super) fn watcher(name: &str) -> Self {
        Self {
            text: name.to_owned(),
            colour: "",
        }
    }

    /// A worker: `2.7` is worker 7 in slot 2.
    pub(super) fn worker(source: &Source) -> Self {
        Self {
            text: format!("{}.{}", source.slot, source.worker),
            colour: colour_of(source.slot),
        }
    }

    /// A worker's output: `2.7 out`.
    pub(super) fn output(source: &Source, stream: &str) -> Self {
        Self {
            text: format!("{}.{} {stream}", source.slot, source.worker),
            colour: colour_of(source.slot),
        }
    }
}

impl Columns {
    pub(super) fn new(is_coloured: bool) -> Self {
        Self {
            paint: Paint { is_coloured },
            timestamp: Timestamp::default(),
        }
    }

    /// Appends the columns of an entry's line. Without a watcher there is no column of who.
    pub(super) fn push(
        &mut self,
        out: &mut Vec<u8>,
        at: SystemTime,
        level: Level,
        who: Option<&Who>,
    ) {
        let paint = self.paint;
        paint.dim(out);
        self.timestamp.push_millis(out, at);
        paint.end(out);
        out.push(b' ');
        paint.begin(out, level_colour(level));
        out.extend_from_slice(level_name(level).as_bytes());
        paint.end(out);
        out.push(b' ');
        if let Some(Who { text, colour }) = who {
            paint.begin(out, colour);
            out.extend_from_slice(text.as_bytes());
            push_spaces(out, WHO.saturating_sub(text.len()));
            paint.end(out);
            out.extend_from_slice(b"  ");
        }
    }

    /// Appends the columns of a line that belongs to the entry before it, up to and with the mark that says so. In a
    /// file each line says whose it is; on a terminal they would be in the way.
    pub(super) fn push_continued(
        &mut self,
        out: &mut Vec<u8>,
        at: SystemTime,
        level: Level,
        who: Option<&Who>,
    ) {
        if self.paint.is_coloured {
            let who = who.map_or(0, |who| who.text.len().max(WHO) + 2);
            push_spaces(out, BEFORE_WHO + who);
        } else {
            self.push(out, at, level, who);
        }
        self.paint.dim(out);
        out.extend_from_slice(CONTINUATION.as_bytes());
        self.paint.end(out);
    }
}

fn push_spaces(out: &mut Vec<u8>, count: usize) {
    let written = write!(out, "{:count$}", "");
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}

fn colour_of(slot: SlotId) -> &'static str {
    SLOT_COLOURS[slot.0 as usize % SLOT_COLOURS.len()]
}

fn level_name(level: Level) -> &'static str {
    match level {
        Level::Error => "ERROR",
        Level::Warn => "WARN ",
        Level::Info => "INFO ",
        Level::Debug => "DEBUG",
        Level::Trace => "TRACE",
    }
}

fn level_colour(level: Level) -> &'static str {
    match level {
        Level::Error => "\x1b[1;31m",
        Level::Warn => "\x1b[33m",
        Level::Info => "\x1b[32m",
        Level::Debug | Level::Trace => DIM,
    }
}
