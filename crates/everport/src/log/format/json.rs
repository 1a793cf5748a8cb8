//! Entries as JSON, one object per line. `docs/logs.md` has the schema.

use std::collections::HashMap;
use std::time::SystemTime;

use super::json_value::{Object, push_bool, push_detail, push_text, push_value};
use super::timestamp::Timestamp;
use crate::SlotId;
use crate::log::describe_lost::LostEntries;
use crate::log::notice_details::{Detail, Details};
use crate::log::{Entry, Fields, Level, Line, Lost, Notice, Record, Records, Source, Span, Stream};

/// Why a worker's records are missing.
const RING_FULL: &str = "its ring was full";

/// As many fields are looked through for repeated names one by one.
const FEW_FIELDS: usize = 16;

/// Writes entries as JSON.
#[derive(Debug, Clone)]
pub(super) struct Json {
    timestamp: Timestamp,
    /// The watcher's name as a member with its comma; empty for a program without one.
    name: Vec<u8>,
    /// Whose records are being written, as members with their commas.
    origin: Vec<u8>,
}

impl Json {
    pub(super) fn new(name: Option<String>) -> Self {
        let mut member = Vec::new();
        if let Some(name) = name {
            member.extend_from_slice(b",\"name\":");
            push_text(&mut member, &name);
        }
        Self {
            timestamp: Timestamp::default(),
            name: member,
            origin: Vec::new(),
        }
    }

    pub(super) fn push_entry(&mut self, out: &mut Vec<u8>, at: SystemTime, entry: &Entry) {
        match entry {
            Entry::Notice(notice, source) => self.push_notice(out, at, notice, source.as_ref()),
            Entry::Line(line) => self.push_line(out, at, line),
            Entry::Records(records) => self.push_records(out, records),
            Entry::Lost(lost) => self.push_lost_records(out, at, lost),
        }
    }

    pub(super) fn push_lost(&mut self, out: &mut Vec<u8>, at: SystemTime, count: u64, cause: &str) {
        let mut object = self.begin(out, at, Level::Warn, "lost");
        object.number("count", count);
        object.text("cause", cause);
        object.text("message", &LostEntries { count, cause }.to_string());
        end_line(object);
    }

    pub(super) fn push_record(
        &mut self,
        out: &mut Vec<u8>,
        source: Option<&Source>,
        record: &Record<'_>,
    ) {
        self.set_origin(source);
        self.push_record_of_origin(out, record);
    }

    fn push_records(&mut self, out: &mut Vec<u8>, records: &Records) {
        self.set_origin(Some(&records.source()));
        for record in records.iter() {
            self.push_record_of_origin(out, &record);
        }
    }

    /// Makes the members that many records of one worker have in common.
    fn set_origin(&mut self, source: Option<&Source>) {
        let Self { name, origin, .. } = self;
        origin.clear();
        origin.extend_from_slice(name);
        if let Some(source) = source {
            push_source(&mut Object::resume(origin), source);
        }
    }

    /// Made of larger pieces than other entries: there may be very many of them.
    fn push_record_of_origin(&mut self, out: &mut Vec<u8>, record: &Record<'_>) {
        out.extend_from_slice(b"{\"time\":\"");
        self.timestamp.push_micros(out, record.time);
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(record.level.name().as_bytes());
        out.extend_from_slice(b"\",\"kind\":\"record\"");
        out.extend_from_slice(&self.origin);
        out.extend_from_slice(b",\"target\":");
        push_text(out, record.target);
        out.extend_from_slice(b",\"thread\":");
        push_text(out, record.thread);
        out.extend_from_slice(b",\"message\":");
        push_text(out, record.message);
        out.extend_from_slice(b",\"fields\":");
        push_fields(out, record.fields);
        out.extend_from_slice(b",\"spans\":");
        push_spans(out, record.spans);
        out.extend_from_slice(b",\"cut\":");
        push_bool(out, record.is_cut);
        out.extend_from_slice(b"}\n");
    }

    fn push_line(&mut self, out: &mut Vec<u8>, at: SystemTime, line: &Line) {
        let mut object = self.begin(out, at, Level::Info, "line");
        push_source(&mut object, &line.source);
        let stream = match line.stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        object.text("stream", stream);
        object.text("message", &line.text);
        object.bool("continues", line.continues);
        end_line(object);
    }

    fn push_lost_records(&mut self, out: &mut Vec<u8>, at: SystemTime, lost: &Lost) {
        let mut object = self.begin(out, at, Level::Warn, "lost");
        push_source(&mut object, &lost.source);
        object.number("count", lost.count);
        object.text("cause", RING_FULL);
        object.text("message", &lost.to_string());
        end_line(object);
    }

    fn push_notice(
        &mut self,
        out: &mut Vec<u8>,
        at: SystemTime,
        notice: &Notice,
        source: Option<&Source>,
    ) {
        let mut object = self.begin(out, at, notice.level(), "notice");
        match source {
            Some(source) => push_source(&mut object, source),
            None => push_worker(&mut object, notice),
        }
        object.text("event", notice.event());
        object.text("message", &notice.headline());
        let mut fields = Object::begin(object.key("fields"));
        notice.details(&mut fields);
        fields.end();
        end_line(object);
    }

    /// Begins an entry's line.
    fn begin<'out>(
        &mut self,
        out: &'out mut Vec<u8>,
        at: SystemTime,
        level: Level,
        kind: &str,
    ) -> Object<'out> {
        let mut object = Object::begin(out);
        let time = object.key("time");
        time.push(b'"');
        self.timestamp.push_micros(time, at);
        time.push(b'"');
        object.text("level", level.name());
        object.text("kind", kind);
        object.members(&self.name);
        object
    }
}

impl<'a> Details<'a> for Object<'_> {
    fn tell(&mut self, name: &'static str, detail: Detail<'a>) {
        push_detail(self.key(name), &detail);
    }
}

fn end_line(object: Object<'_>) {
    object.end().push(b'\n');
}

fn push_source(object: &mut Object<'_>, source: &Source) {
    object.number("worker", source.worker.0);
    object.number("slot", source.slot.0);
    object.number("generation", source.generation.0);
    object.number("pid", source.pid);
}

/// What a notice itself knows of the worker or the slot it is about.
fn push_worker(object: &mut Object<'_>, notice: &Notice) {
    if let Some((worker, SlotId(slot))) = notice.worker() {
        object.number("worker", worker.0);
        object.number("slot", slot);
    } else if let Some(SlotId(slot)) = notice.slot() {
        object.number("slot", slot);
    }
}

fn push_spans<'a>(out: &mut Vec<u8>, spans: impl Iterator<Item = Span<'a>>) {
    out.push(b'[');
    for (index, span) in spans.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let mut object = Object::begin(out);
        object.text("name", span.name);
        push_fields(object.key("fields"), span.fields);
        object.end();
    }
    out.push(b']');
}

/// Appends fields as an object. Of those with one name the last counts, as readers of JSON would have it, too.
fn push_fields(out: &mut Vec<u8>, fields: Fields<'_>) {
    let last = repeated(fields).then(|| last_of_each_name(fields));
    let mut object = Object::begin(out);
    for (index, (name, value)) in fields.enumerate() {
        let counts = last.as_ref().is_none_or(|last| last[name] == index);
        if counts {
            push_value(object.named(name), value);
        }
    }
    object.end();
}

/// Whether a name may be there twice. It is not, mostly, and that costs no memory.
fn repeated(fields: Fields<'_>) -> bool {
    let mut names = [""; FEW_FIELDS];
    for (index, (name, _)) in fields.enumerate() {
        if index == FEW_FIELDS || names[..index].contains(&name) {
            return true;
        }
        names[index] = name;
    }
    false
}

fn last_of_each_name<'a>(fields: Fields<'a>) -> HashMap<&'a str, usize> {
    fields
        .enumerate()
        .map(|(index, (name, _))| (name, index))
        .collect()
}
