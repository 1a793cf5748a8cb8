//! The schema in `docs/logs.md`, held against what is written: every kind of entry and every event, each key and its
//! type.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::fixtures::{at, batch, formatted, header, record, source};
use super::notice_samples::notices;
use super::*;
use crate::log::{Line, Lost, Notice, Stream};
use crate::record::Encoder;

const PAGE: &str = include_str!("../../../../../docs/logs.md");
const NAMES: &str = include_str!("../notice_event.rs");

/// The cells of a table's rows whose first cell is one name in backticks.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    let (_, section) = PAGE.split_once(heading).expect("a section of the page");
    let end = section.find("\n## ").unwrap_or(section.len());
    let cells = |line: &'static str| -> Option<Vec<&str>> {
        let line = line.strip_prefix("| `")?.strip_suffix('|')?;
        let (name, rest) = line.split_once("` |")?;
        let rest = rest.split('|').map(str::trim);
        Some([name].into_iter().chain(rest).collect())
    };
    section[..end].lines().filter_map(cells).collect()
}

/// The fields of each event on the page, with their types.
fn documented_events() -> BTreeMap<&'static str, BTreeMap<&'static str, &'static str>> {
    let field = |text: &'static str| {
        let (name, kind) = text.strip_prefix('`')?.split_once("` ")?;
        Some((name, kind))
    };
    let events = rows("\n## Events");
    events
        .iter()
        .map(|row| (row[0], row[3].split(", ").filter_map(field).collect()))
        .collect()
}

/// Whether a value is of a type, as the page names them.
fn is_of(kind: &str, value: &Json) -> bool {
    match kind {
        "text" => value.is_string(),
        "number" => value.is_number(),
        "bool" => value.is_boolean(),
        "object" => value.is_object(),
        "texts" => is_list(value, Json::is_string),
        "spans" => is_list(value, |span| {
            has_exactly(span, &[("name", "text"), ("fields", "object")])
        }),
        "threads" => is_list(value, |thread| has_exactly(thread, &THREAD)),
        "text or null" => value.is_string() || value.is_null(),
        "number or null" => value.is_number() || value.is_null(),
        _ => panic!("the page names a type that nobody knows: {kind}"),
    }
}

const THREAD: [(&str, &str); 5] = [
    ("id", "number"),
    ("name", "text"),
    ("state", "text"),
    ("wait_channel", "text or null"),
    ("stack", "texts"),
];

fn is_list(value: &Json, is_fine: impl Fn(&Json) -> bool) -> bool {
    value
        .as_array()
        .is_some_and(|list| list.iter().all(is_fine))
}

fn has_exactly(value: &Json, keys: &[(&str, &str)]) -> bool {
    let Some(object) = value.as_object() else {
        return false;
    };
    let is_there =
        |(name, kind): &(&str, &str)| object.get(*name).is_some_and(|it| is_of(kind, it));
    object.len() == keys.len() && keys.iter().all(is_there)
}

fn parsed(entry: &Entry) -> Json {
    serde_json::from_str(&formatted(LogFormat::Json, entry)).expect("JSON")
}

/// Holds an entry against the page's table of keys.
#[track_caller]
fn check_keys(entry: &Json) {
    let kinds = ["record", "line", "notice", "lost"];
    let kind = entry["kind"].as_str().expect("a kind");
    let column = 2 + kinds
        .iter()
        .position(|it| *it == kind)
        .expect("a kind of the page");
    let documented: BTreeMap<&str, (&str, &str)> = rows("\n## Keys")
        .iter()
        .map(|row| (row[0], (row[1], row[column])))
        .collect();
    for (name, value) in entry.as_object().expect("an object") {
        let (kind, when) = documented.get(name.as_str()).copied().unwrap_or_default();
        assert!(!when.is_empty(), "not on the page: {name} in {entry}");
        assert!(is_of(kind, value), "not {kind}: {name} in {entry}");
    }
    for (name, (_, when)) in documented {
        assert!(
            when != "always" || !entry[name].is_null(),
            "not there: {name} in {entry}"
        );
    }
}

#[test]
fn every_kind_of_entry_has_the_keys_of_the_page() {
    let build = |encoder: &mut Encoder| {
        encoder.bool("a", true);
        encoder.span("s");
    };
    let line = Line {
        source: source(),
        stream: Stream::Stdout,
        text: String::new(),
        continues: false,
    };
    let lost = Lost {
        source: source(),
        count: 1,
    };
    for entry in [
        batch(&[record(&header(), build)]),
        Entry::Line(line),
        Entry::Lost(lost),
    ] {
        check_keys(&parsed(&entry));
    }
    let mut out = Vec::new();
    Formatter::new(LogFormat::Json, "watcher").push_lost(&mut out, at(), 1, "disk full");
    check_keys(&serde_json::from_slice(&out).expect("JSON"));
}

#[test]
fn every_event_has_the_fields_of_the_page() {
    let documented = documented_events();
    for notice in notices() {
        let about = notice.worker().map(|_| source());
        let entry = parsed(&Entry::Notice(notice, about));
        check_keys(&entry);
        let event = entry["event"].as_str().expect("a name");
        let fields = documented
            .get(event)
            .unwrap_or_else(|| panic!("not on the page: {event}"));
        let fields: Vec<_> = fields.iter().map(|(name, kind)| (*name, *kind)).collect();
        assert!(
            has_exactly(&entry["fields"], &fields),
            "the page has {fields:?} for {event}, which has {}",
            entry["fields"]
        );
    }
}

#[test]
fn the_page_has_every_event_and_no_other() {
    let named = |line: &'static str| {
        line.split_once("=> \"")?
            .1
            .split_once('"')
            .map(|(name, _)| name)
    };
    let in_code: BTreeSet<&str> = NAMES.lines().filter_map(named).collect();
    let on_page: BTreeSet<&str> = documented_events().into_keys().collect();
    let tried: BTreeSet<&str> = notices().iter().map(Notice::event).collect();
    let check = |what, found: &BTreeSet<&str>| {
        let differing: Vec<_> = in_code.symmetric_difference(found).collect();
        assert!(differing.is_empty(), "{what} {differing:?}");
    };
    check("docs/logs.md and the code differ in", &on_page);
    check("`notice_samples` has not one each of", &tried);
}

#[test]
fn every_notice_has_a_text() {
    for notice in notices() {
        assert!(!notice.to_string().is_empty(), "{notice:?}");
    }
}

#[test]
fn an_event_says_whom_it_is_about() {
    for row in rows("\n## Events") {
        let about = |it: &Notice| {
            (it.event() == row[0]).then(|| (it.worker().is_some(), it.slot().is_some()))
        };
        let expected = match row[1] {
            "worker" => (true, true),
            "slot" => (false, true),
            _ => (false, false),
        };
        assert_eq!(
            notices().iter().find_map(about),
            Some(expected),
            "{}",
            row[0]
        );
    }
}

#[test]
fn a_worker_that_is_gone_is_named_all_the_same() {
    for notice in notices() {
        let (worker, slot) = (notice.worker(), notice.slot());
        let entry = parsed(&Entry::Notice(notice, None));
        check_keys(&entry);
        assert_eq!(
            entry["worker"].as_u64(),
            worker.map(|(worker, _)| worker.0),
            "{entry}"
        );
        assert_eq!(
            entry["slot"].as_u64(),
            slot.map(|slot| slot.0.into()),
            "{entry}"
        );
    }
}
