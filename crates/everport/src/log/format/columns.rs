//! What stands before the text of a line: time, level, and who.

use std::time::SystemTime;

use super::timestamp::Timestamp;
use crate::SlotId;
use crate::log::escape::escape;
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

/// Who an entry is from, as the column shows it, made once for many entries.
#[derive(Debug, Clone)]
pub(super) struct Who {
    shown: Vec<u8>,
    /// How many characters of it are seen.
    width: usize,
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

impl Columns {
    pub(super) fn new(is_coloured: bool) -> Self {
        Self {
            paint: Paint { is_coloured },
            timestamp: Timestamp::default(),
        }
    }

    /// The watcher, by its name.
    pub(super) fn watcher(&self, name: &str) -> Who {
        self.who(&escape(name), "")
    }

    /// A worker: `2.7` is worker 7 in slot 2.
    pub(super) fn worker(&self, source: &Source) -> Who {
        let text = format!("{}.{}", source.slot, source.worker);
        self.who(&text, colour_of(source.slot))
    }

    /// A worker's output: `2.7 out`.
    pub(super) fn output(&self, source: &Source, stream: &str) -> Who {
        let text = format!("{}.{} {stream}", source.slot, source.worker);
        self.who(&text, colour_of(source.slot))
    }

    fn who(&self, text: &str, colour: &str) -> Who {
        let text = format!("{text:<WHO$}");
        let mut shown = Vec::new();
        self.paint.begin(&mut shown, colour);
        shown.extend_from_slice(text.as_bytes());
        self.paint.end(&mut shown);
        shown.extend_from_slice(b"  ");
        let width = text.chars().count() + 2;
        Who { shown, width }
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
        if let Some(who) = who {
            out.extend_from_slice(&who.shown);
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
            let width = BEFORE_WHO + who.map_or(0, |who| who.width);
            out.resize(out.len() + width, b' ');
        } else {
            self.push(out, at, level, who);
        }
        self.paint.dim(out);
        out.extend_from_slice(CONTINUATION.as_bytes());
        self.paint.end(out);
    }
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
