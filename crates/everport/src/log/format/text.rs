//! Entries as lines that people read, with colour or without.

use std::io::Write;
use std::time::SystemTime;

use super::columns::{CONTINUATION, Columns, Who};
use super::record_text::{push_details, push_summary};
use crate::log::describe_lost::LostEntries;
use crate::log::escape::push_escaped;
use crate::log::{Entry, Level, Line, Notice, Record, Records, Source, Stream};

/// What stands at the end of a piece of an over-long line.
const GOES_ON: &[u8] = b" [...]";

/// Writes entries as lines.
#[derive(Debug, Clone)]
pub(super) struct Text {
    columns: Columns,
    /// The watcher; none for a program without one.
    watcher: Option<Who>,
}

impl Text {
    pub(super) fn new(is_coloured: bool, name: Option<String>) -> Self {
        let columns = Columns::new(is_coloured);
        let watcher = name.map(|name| columns.watcher(&name));
        Self { columns, watcher }
    }

    pub(super) fn push_entry(&mut self, out: &mut Vec<u8>, at: SystemTime, entry: &Entry) {
        match entry {
            Entry::Notice(notice, _) => self.push_notice(out, at, notice),
            Entry::Line(line) => self.push_line(out, at, line),
            Entry::Records(records) => self.push_records(out, records),
            Entry::Lost(lost) => self.push_told(out, at, Level::Warn, &lost.to_string()),
        }
    }

    pub(super) fn push_lost(&mut self, out: &mut Vec<u8>, at: SystemTime, count: u64, cause: &str) {
        let text = LostEntries { count, cause }.to_string();
        self.push_told(out, at, Level::Warn, &text);
    }

    pub(super) fn push_record(
        &mut self,
        out: &mut Vec<u8>,
        source: Option<&Source>,
        record: &Record<'_>,
    ) {
        let who = source.map(|source| self.columns.worker(source));
        self.push_record_of(out, who.as_ref(), record);
    }

    fn push_records(&mut self, out: &mut Vec<u8>, records: &Records) {
        let who = self.columns.worker(&records.source());
        for record in records.iter() {
            self.push_record_of(out, Some(&who), &record);
        }
    }

    fn push_record_of(&mut self, out: &mut Vec<u8>, who: Option<&Who>, record: &Record<'_>) {
        let Self { columns, .. } = self;
        let (at, level) = (record.time, record.level);
        columns.push(out, at, level, who);
        let has_details = push_summary(out, record, columns.paint, true);
        out.push(b'\n');
        if has_details {
            push_details(out, record, |out| {
                columns.push_continued(out, at, level, who);
            });
        }
    }

    fn push_line(&mut self, out: &mut Vec<u8>, at: SystemTime, line: &Line) {
        let stream = match line.stream {
            Stream::Stdout => "out",
            Stream::Stderr => "err",
        };
        let who = self.columns.output(&line.source, stream);
        self.columns.push(out, at, Level::Info, Some(&who));
        push_escaped(out, &line.text);
        if line.continues {
            out.extend_from_slice(GOES_ON);
        }
        out.push(b'\n');
    }

    fn push_notice(&mut self, out: &mut Vec<u8>, at: SystemTime, notice: &Notice) {
        self.push_told(out, at, notice.level(), &notice.to_string());
    }

    /// Appends what the watcher tells, line by line.
    fn push_told(&mut self, out: &mut Vec<u8>, at: SystemTime, level: Level, text: &str) {
        let Self { columns, watcher } = self;
        for line in text.split('\n') {
            let line = match line.strip_prefix(CONTINUATION) {
                Some(rest) => {
                    columns.push_continued(out, at, level, watcher.as_ref());
                    rest
                }
                None => {
                    columns.push(out, at, level, watcher.as_ref());
                    line
                }
            };
            let written = writeln!(out, "{line}");
            debug_assert!(written.is_ok(), "writing to memory does not fail");
        }
    }
}
