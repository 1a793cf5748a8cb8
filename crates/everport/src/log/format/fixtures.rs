//! Entries for tests, and what becomes of them.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Formatter, LogFormat};
use crate::log::{Entry, Level, Records, Source};
use crate::record::{Encoder, Header};
use crate::{Generation, SlotId, WorkerId};

/// When everything happens, unless it says otherwise.
pub(super) fn at() -> SystemTime {
    UNIX_EPOCH + Duration::from_micros(1_767_323_045_678_901)
}

pub(super) fn source() -> Source {
    Source {
        worker: WorkerId(7),
        slot: SlotId(2),
        generation: Generation(3),
        pid: 4711,
    }
}

/// The bytes of a record.
pub(super) fn record(header: &Header<'_>, build: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.begin(header);
    build(&mut encoder);
    encoder.finish().to_vec()
}

/// What every record begins with that does not say otherwise.
pub(super) fn header() -> Header<'static> {
    Header {
        time: at(),
        level: Level::Info,
        thread: "main",
        target: "shop::orders",
    }
}

/// Records of one worker, as they come out of its ring.
pub(super) fn batch(records: &[Vec<u8>]) -> Entry {
    let mut bytes = Vec::new();
    for record in records {
        bytes.extend_from_slice(&(record.len() as u32).to_le_bytes());
        bytes.extend_from_slice(record);
    }
    let records = Records::check(source(), bytes, None).expect("whole records");
    Entry::Records(Arc::new(records))
}

pub(super) fn formatted(format: LogFormat, entry: &Entry) -> String {
    let mut out = Vec::new();
    Formatter::new(format, "watcher").push_entry(&mut out, at(), entry);
    String::from_utf8(out).expect("UTF-8")
}
