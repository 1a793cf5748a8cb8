//! Entries for tests.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, UNIX_EPOCH};

use super::message::Message;
use super::queue::Item;
use super::records::Allowance;
use super::socket::Protocol;
use super::{Entry, Level, Line, Records, Source, Stream};
use crate::record::{Encoder, Header};
use crate::{Generation, SlotId, WorkerId};

pub(super) fn source(worker: u64) -> Source {
    Source {
        worker: WorkerId(worker),
        slot: SlotId(2),
        generation: Generation(1),
        pid: 4711,
    }
}

pub(super) fn line_of(worker: u64, text: &str) -> Entry {
    Entry::Line(Line {
        source: source(worker),
        stream: Stream::Stdout,
        text: text.to_owned(),
        continues: false,
    })
}

/// A batch of `count` records with messages of `size` bytes, whose worker waits for them or not.
pub(super) fn records(worker: u64, count: usize, size: usize, waits: bool) -> Entry {
    let message = "x".repeat(size);
    let bytes = (0..count).flat_map(|_| record(|encoder| encoder.message(&message)));
    Entry::Records(Arc::new(batch(worker, bytes.collect(), waits, || {})))
}

/// The bytes of one record as they are in a ring.
pub(super) fn record(fill: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.begin(&Header {
        time: UNIX_EPOCH + Duration::from_millis(1_767_323_045_678),
        level: Level::Warn,
        thread: "main",
        target: "shop::orders",
    });
    fill(&mut encoder);
    let record = encoder.finish();
    let mut bytes = u32::try_from(record.len()).unwrap().to_le_bytes().to_vec();
    bytes.extend_from_slice(record);
    bytes
}

pub(super) fn batch(
    worker: u64,
    bytes: Vec<u8>,
    waits: bool,
    give_back: impl Fn() + Send + Sync + 'static,
) -> Records {
    let allowance = Allowance {
        waits_for_all: waits,
        give_back: Box::new(give_back),
        is_given_back: AtomicBool::new(false),
    };
    Records::check(source(worker), bytes, Some(allowance)).unwrap()
}

pub(super) fn pipe() -> (File, OwnedFd) {
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (read.into(), write)
}

/// The last words of the lines that a plain log has from workers, and the sum of the entries that it says are missing.
pub(super) fn read_back(log: &str) -> (Vec<String>, u64) {
    let mut texts = Vec::new();
    let mut lost = 0;
    for line in log.lines() {
        let (_, text) = line.split_once("  ").unwrap();
        match text.trim_start().strip_prefix("watcher  ") {
            Some(text) => {
                let count = text.split(' ').next().unwrap().replace(',', "");
                lost += count.parse::<u64>().unwrap();
            }
            None => texts.push(text.trim_start().rsplit(' ').next().unwrap().to_owned()),
        }
    }
    (texts, lost)
}

/// What a sink that sends messages makes of an entry.
pub(super) fn packets(protocol: &impl Protocol, entry: Entry) -> Vec<String> {
    let mut packets = Vec::new();
    Message::each_of(&Item::Entry(UNIX_EPOCH, entry), |message| {
        let mut send = |packet: &[u8]| {
            packets.push(String::from_utf8(packet.to_vec()).unwrap());
            Ok(())
        };
        let mut buffer = Vec::new();
        protocol.encode(&mut buffer, message, &mut send).unwrap();
    });
    packets
}
