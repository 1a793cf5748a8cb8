//! A ring that keeps what it is given.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use tracing_subscriber::layer::SubscriberExt;

use crate::log::{Level, Value};
use crate::logging::layer::LogLayer;
use crate::logging::outlet::{Outlet, Ring};
use crate::record::{Fields, Record};

/// What was handed over.
#[derive(Default)]
pub(super) struct Kept {
    records: Mutex<Vec<Vec<u8>>>,
    pub(super) is_full: AtomicBool,
}

/// A record that owns its parts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Read {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    pub(super) thread: String,
    pub(super) target: String,
    pub(super) message: String,
    /// Each as `name=value`, values as their types show them.
    pub(super) fields: Vec<String>,
    /// Each as `name{field=value}`.
    pub(super) spans: Vec<String>,
    pub(super) is_cut: bool,
}

impl Ring for Kept {
    fn hand_over(&self, record: &[u8]) -> bool {
        let is_full = self.is_full.load(Ordering::SeqCst);
        if !is_full {
            self.records.lock().unwrap().push(record.to_vec());
        }
        !is_full
    }

    fn hand_over_soon(&self, record: &[u8]) -> bool {
        self.hand_over(record)
    }

    fn is_closed(&self) -> bool {
        false
    }
}

impl Kept {
    pub(super) fn layer(self: &Arc<Self>) -> LogLayer {
        LogLayer::with_outlet(Outlet::Ring(Arc::clone(self) as Arc<dyn Ring>))
    }

    pub(super) fn read(&self) -> Vec<Read> {
        let records = self.records.lock().unwrap();
        let read = |bytes: &Vec<u8>| Read::from(Record::decode(bytes).unwrap());
        records.iter().map(read).collect()
    }
}

impl From<Record<'_>> for Read {
    fn from(record: Record<'_>) -> Self {
        let span = |span: crate::log::Span<'_>| {
            format!("{}{{{}}}", span.name, texts(span.fields).join(","))
        };
        Self {
            time: record.time,
            level: record.level,
            thread: record.thread.to_owned(),
            target: record.target.to_owned(),
            message: record.message.to_owned(),
            fields: texts(record.fields),
            spans: record.spans.map(span).collect(),
            is_cut: record.is_cut,
        }
    }
}

fn texts(fields: Fields<'_>) -> Vec<String> {
    let text = |(name, value): (&str, Value<'_>)| match value {
        Value::Text(value) => format!("{name}={value}"),
        other => format!("{name}={other:?}"),
    };
    fields.map(text).collect()
}

/// What is handed over while the application does this, on this thread.
pub(super) fn handed_over(application: impl FnOnce()) -> Vec<Read> {
    let kept = Arc::<Kept>::default();
    let subscriber = tracing_subscriber::registry().with(kept.layer());
    tracing::subscriber::with_default(subscriber, application);
    kept.read()
}

/// The only record that is handed over meanwhile.
pub(super) fn one(application: impl FnOnce()) -> Read {
    let mut records = handed_over(application);
    assert_eq!(records.len(), 1, "{records:?}");
    records.remove(0)
}
