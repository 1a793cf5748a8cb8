//! Captures rings that tests write to.

mod death;
mod sleep;

use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;

use super::*;
use crate::log::{Entry, Level, LogFile, Records, Sink, Source, WhenFull, Writer};
use crate::record::{Encoder, Header, LONGEST_RECORD};
use crate::ring::{Producer, Ring, Size};
use crate::{Generation, SlotId, WorkerId};

/// How long an event may take before the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A sink that passes entries on to the test.
struct Entries(Mutex<mpsc::Sender<Entry>>);

impl Sink for Entries {
    fn write(&self, entry: Entry) {
        // A test that no longer listens has seen enough.
        let _ = self.0.lock().unwrap().send(entry);
    }
}

struct Worker {
    producer: Producer,
    memory: OwnedFd,
    bell: OwnedFd,
    capture: RecordCapture,
    entries: mpsc::Receiver<Entry>,
}

fn start(when_full: WhenFull) -> Worker {
    start_in(&Arc::default(), when_full)
}

fn start_in(pool: &Arc<Pool>, when_full: WhenFull) -> Worker {
    let size = Size::at_least(0);
    let Ring { consumer, bell } = Ring::new(size).unwrap();
    let memory = consumer.memory().try_clone_to_owned().unwrap();
    let theirs = || bell.try_clone().unwrap();
    let (theirs, ringing) = (theirs(), theirs());
    let producer = Producer::open(&memory, theirs, size, when_full).unwrap();
    let (sender, entries) = mpsc::channel();
    let sink = Arc::new(Entries(Mutex::new(sender)));
    let source = source(7);
    let bell = reactor::register(bell, Interest::READABLE).unwrap();
    let taker = Taker::new(source, consumer, when_full, sink, pool);
    let capture = RecordCapture::start(taker, bell);
    Worker {
        producer,
        memory,
        bell: ringing,
        capture,
        entries,
    }
}

fn source(worker: u64) -> Source {
    Source {
        worker: WorkerId(worker),
        slot: SlotId(2),
        generation: Generation(1),
        pid: 4711,
    }
}

/// A record with this message.
fn encoded(message: &str) -> Vec<u8> {
    encoded_at(Level::Info, message)
}

fn encoded_at(level: Level, message: &str) -> Vec<u8> {
    let mut encoder = Encoder::default();
    encoder.begin(&Header {
        time: std::time::SystemTime::now(),
        level,
        thread: "main",
        target: "shop",
    });
    encoder.message(message);
    encoder.finish().to_vec()
}

/// Lets the runtime's tasks run until an entry has come.
async fn next(entries: &mpsc::Receiver<Entry>) -> Entry {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match entries.try_recv() {
            Ok(entry) => return entry,
            Err(error) => assert!(tokio::time::Instant::now() < until, "no entry: {error}"),
        }
        tokio::task::yield_now().await;
    }
}

async fn next_records(entries: &mpsc::Receiver<Entry>) -> Arc<Records> {
    match next(entries).await {
        Entry::Records(records) => records,
        other => panic!("no records but {other:?}"),
    }
}

fn messages(records: &Records) -> Vec<String> {
    let records = records.iter();
    records.map(|record| record.message.to_owned()).collect()
}

#[tokio::test]
async fn records_come_while_the_worker_lives() {
    let worker = start(WhenFull::Drop);
    for round in 0..3 {
        let text = format!("round {round}");
        assert!(worker.producer.hand_over(&encoded(&text)));
        let records = next_records(&worker.entries).await;
        assert_eq!(messages(&records), [text]);
        assert_eq!(records.source().worker, WorkerId(7));
    }
}

#[tokio::test]
async fn what_is_not_written_yet_keeps_more_from_being_taken_until_the_worker_is_dead() {
    let worker = start(WhenFull::Drop);
    let large = encoded(&"x".repeat(LONGEST_RECORD / 2));
    // More than may wait to be written, and as much again.
    let mut taken = Vec::new();
    let (mut handed_over, mut dropped) = (0, 0);
    let until = tokio::time::Instant::now() + PATIENCE;
    while taken.len() < 8 || dropped == 0 {
        assert!(tokio::time::Instant::now() < until, "it is never full");
        match worker.producer.hand_over(&large) {
            true => handed_over += 1,
            false => dropped += 1,
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        taken.extend(worker.entries.try_iter());
    }
    let bytes = |taken: &[Entry]| taken.iter().map(|it| records_of(it).size()).sum::<usize>();
    assert!(
        bytes(&taken) <= 256 * 1024 + 64 * 1024,
        "{} bytes",
        bytes(&taken)
    );
    worker.capture.finish();
    taken.extend(worker.entries.try_iter());
    let lost = taken.pop().unwrap();
    assert!(
        matches!(lost, Entry::Lost(lost) if lost.count == dropped),
        "{lost:?}"
    );
    let count: u64 = taken.iter().map(|it| records_of(it).count()).sum();
    assert_eq!(count, handed_over);
}

fn records_of(entry: &Entry) -> &Records {
    match entry {
        Entry::Records(records) => records,
        other => panic!("no records but {other:?}"),
    }
}

#[tokio::test]
async fn what_has_been_written_makes_room_for_more() {
    let worker = start(WhenFull::Drop);
    let large = encoded(&"x".repeat(LONGEST_RECORD / 2));
    // Each is written as soon as it has come, which is far more than may wait.
    for _ in 0..100 {
        assert!(worker.producer.hand_over(&large));
        next_records(&worker.entries).await.note_done();
    }
}

#[tokio::test]
async fn losses_are_told_where_records_are_missing() {
    let worker = start(WhenFull::Drop);
    let large = encoded(&"x".repeat(LONGEST_RECORD / 2));
    // The runtime has no turn meanwhile.
    let fitting = (0..).take_while(|_| worker.producer.hand_over(&large));
    let fitting = fitting.count() as u64;
    assert!(!worker.producer.hand_over(&large));
    let mut before = 0;
    let lost = loop {
        match next(&worker.entries).await {
            Entry::Records(records) => before += records.count(),
            Entry::Lost(lost) => break lost,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((before, lost.count, lost.source.pid), (fitting, 2, 4711));
    assert!(worker.producer.hand_over(&encoded("again")));
    assert_eq!(messages(&*next_records(&worker.entries).await), ["again"]);
}

#[tokio::test]
async fn a_ring_that_makes_no_sense_is_closed_and_told_once() {
    let worker = start(WhenFull::Block);
    assert!(worker.producer.hand_over(b"this is no record"));
    let notice = next(&worker.entries).await;
    assert_eq!(notice.level(), Level::Error);
    let Entry::Notice(notice, Some(about)) = notice else {
        panic!("{notice:?}");
    };
    assert!(notice.to_string().contains("no records"), "{notice}");
    assert_eq!(about.worker, WorkerId(7));
    // Nobody waits for room that will never come.
    let large = vec![1; LONGEST_RECORD];
    while worker.producer.hand_over(&large) {}
    worker.capture.finish();
    assert!(worker.entries.recv().is_err(), "something more came");
}

#[tokio::test]
async fn what_was_lost_before_a_ring_made_no_sense_is_told() {
    let worker = start(WhenFull::Drop);
    let large = encoded(&"x".repeat(LONGEST_RECORD - 4096));
    // The runtime has no turn meanwhile.
    assert!(worker.producer.hand_over(b"this is no record"));
    while worker.producer.hand_over(&large) {}
    assert!(matches!(next(&worker.entries).await, Entry::Notice(..)));
    let lost = next(&worker.entries).await;
    assert!(
        matches!(lost, Entry::Lost(lost) if lost.count == 1),
        "{lost:?}"
    );
}

#[tokio::test]
async fn a_worker_may_wait_until_its_records_are_written() {
    let worker = start(WhenFull::Block);
    const RECORDS: u64 = 3000;
    let Worker {
        producer, entries, ..
    } = worker;
    let large = encoded(&"x".repeat(2000));
    let writing =
        tokio::task::spawn_blocking(move || (0..RECORDS).all(|_| producer.hand_over(&large)));
    let mut count = 0;
    while count < RECORDS {
        count += next_records(&entries).await.count();
    }
    assert!(writing.await.unwrap());
    // Kept until here, or the ring would have been closed.
    drop(worker.capture);
}

#[tokio::test]
async fn what_all_workers_wait_for_is_bounded_and_all_of_it_comes() {
    const MOST: usize = 512 * 1024;
    let pool = Arc::new(Pool::new(MOST));
    let workers: Vec<_> = (0..20).map(|_| start_in(&pool, WhenFull::Block)).collect();
    let large = encoded(&"x".repeat(20_000));
    for worker in &workers {
        assert!((0..8).all(|_| worker.producer.hand_over(&large)));
    }
    // The place is stuck, so that nothing of what was taken is done; then it moves again.
    let come = || workers.iter().flat_map(|worker| worker.entries.try_iter());
    let mut waiting: Vec<_> = Vec::new();
    while pool.for_waited_for().available_permits() >= LONGEST_RECORD {
        tokio::task::yield_now().await;
        waiting.extend(come());
    }
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    waiting.extend(come());
    let bytes: usize = waiting.iter().map(|it| records_of(it).size()).sum();
    assert!((MOST - LONGEST_RECORD..=MOST).contains(&bytes), "{bytes}");
    let mut count = 0;
    let until = tokio::time::Instant::now() + PATIENCE;
    while count < 20 * 8 {
        assert!(tokio::time::Instant::now() < until, "{count} have come");
        let written = waiting.drain(..);
        count += written.map(|it| records_of(&it).count()).sum::<u64>();
        tokio::task::yield_now().await;
        waiting.extend(come());
    }
    assert_eq!(pool.for_waited_for().available_permits(), MOST);
}

#[tokio::test]
async fn a_flood_leaves_turns_to_everything_else() {
    let Worker {
        producer,
        capture,
        entries,
        ..
    } = start(WhenFull::Drop);
    let others_turns = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&others_turns);
    tokio::spawn(async move {
        loop {
            counter.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    let is_over = Arc::new(AtomicBool::new(false));
    let flood = std::thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || {
            let record = encoded("flood");
            while !is_over.load(Ordering::Relaxed) {
                producer.hand_over(&record);
            }
        }
    });
    let mut takes = 0;
    while takes < 200 {
        if let Entry::Records(records) = next(&entries).await {
            assert!(records.size() <= 64 * 1024 + 4, "{} bytes", records.size());
            takes += 1;
        }
    }
    assert!(others_turns.load(Ordering::Relaxed) >= takes);
    is_over.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    drop(capture);
}
