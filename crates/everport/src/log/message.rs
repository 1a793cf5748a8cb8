//! Entries as messages, for sinks that keep their parts in places of their own.

use std::time::SystemTime;

use super::describe_lost::LostEntries;
use super::queue::Item;
use super::{Entry, Level, Line, Lost, Notice, Record, Source, Stream};
use crate::{SlotId, WorkerId};

/// One entry, in parts. All of its text is harmless but what is in the record.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) at: SystemTime,
    pub(super) level: Level,
    /// What JSON calls its `kind`.
    pub(super) kind: &'static str,
    pub(super) worker: Option<WorkerId>,
    pub(super) slot: Option<SlotId>,
    /// The worker as a process, if it is known.
    pub(super) source: Option<Source>,
    /// Where a line was printed to.
    pub(super) stream: Option<Stream>,
    /// What happened, of notices.
    pub(super) event: Option<&'static str>,
    pub(super) record: Option<Record<'a>>,
    /// What it says; that of a notice may have several lines.
    pub(super) text: String,
}

impl<'a> Message<'a> {
    /// Passes on every message of an item.
    pub(super) fn each_of(item: &'a Item, mut take: impl FnMut(&Message<'a>)) {
        match item {
            Item::Entry(at, Entry::Notice(notice, source)) => {
                take(&Self::of_notice(*at, notice, *source));
            }
            Item::Entry(at, Entry::Line(line)) => take(&Self::of_line(*at, line)),
            Item::Entry(_, Entry::Records(records)) => {
                let source = records.source();
                records
                    .iter()
                    .for_each(|record| take(&Self::of_record(source, record)));
            }
            Item::Entry(at, Entry::Lost(lost)) => take(&Self::of_lost_records(*at, lost)),
            Item::Lost(count) => take(&Self::of_lost(*count, "the log's reader did not keep up")),
        }
    }

    /// So many entries are missing here.
    pub(super) fn of_lost(count: u64, cause: &str) -> Self {
        let text = LostEntries { count, cause }.to_string();
        Self::new(SystemTime::now(), Level::Warn, "lost", None, text)
    }

    fn of_notice(at: SystemTime, notice: &Notice, source: Option<Source>) -> Self {
        let mut message = Self::new(at, notice.level(), "notice", source, notice.to_string());
        if source.is_none() {
            message.worker = notice.worker().map(|(worker, _)| worker);
            message.slot = notice.worker().map(|(_, slot)| slot).or(notice.slot());
        }
        message.event = Some(notice.event());
        message
    }

    fn of_line(at: SystemTime, line: &Line) -> Self {
        let mut text = line.text.clone();
        if line.continues {
            text.push_str(" [...]");
        }
        let mut message = Self::new(at, Level::Info, "line", Some(line.source), text);
        message.stream = Some(line.stream);
        message
    }

    fn of_record(source: Source, record: Record<'a>) -> Self {
        let text = record.to_string();
        let mut message = Self::new(record.time, record.level, "record", Some(source), text);
        message.record = Some(record);
        message
    }

    fn of_lost_records(at: SystemTime, lost: &Lost) -> Self {
        Self::new(at, Level::Warn, "lost", Some(lost.source), lost.to_string())
    }

    fn new(
        at: SystemTime,
        level: Level,
        kind: &'static str,
        source: Option<Source>,
        text: String,
    ) -> Self {
        Self {
            at,
            level,
            kind,
            worker: source.map(|source| source.worker),
            slot: source.map(|source| source.slot),
            source,
            stream: None,
            event: None,
            record: None,
            text,
        }
    }

    /// How much it matters, as syslog(3) and the journal count.
    pub(super) fn priority(&self) -> u8 {
        match self.level {
            Level::Error => 3,
            Level::Warn => 4,
            Level::Info => 6,
            Level::Debug | Level::Trace => 7,
        }
    }
}

impl Stream {
    /// Its name as JSON and the journal have it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}
