//! What a queue takes, drops and counts.

use std::sync::Arc;

use super::*;
use crate::log::fixtures::{line_of, records, source};
use crate::log::{Lost, Notice};

fn line(text: &str) -> Entry {
    line_of(1, text)
}

fn coalesced() -> Entry {
    let notice = Notice::Supervisor(everport_core::Notice::RestartCoalesced);
    Entry::Notice(notice, None)
}

fn put(queue: &Queue, entry: Entry) {
    queue.put(SystemTime::now(), entry);
}

fn drain(queue: &Queue) -> Vec<String> {
    queue.close();
    let mut shown = Vec::new();
    let mut batch = Vec::new();
    while queue.take(&mut batch) == Turn::Write {
        shown.extend(batch.drain(..).map(|item| match item {
            Item::Entry(_, Entry::Line(line)) => line.text,
            Item::Entry(_, Entry::Records(records)) => format!("{} records", records.count()),
            Item::Entry(_, entry) => format!("{entry:?}"),
            Item::Lost(count) => format!("lost {count}"),
        }));
    }
    shown
}

#[test]
fn entries_come_out_in_order() {
    let queue = Queue::new(CAPACITY);
    for text in ["one", "two", "three"] {
        put(&queue, line(text));
    }
    assert_eq!(drain(&queue), ["one", "two", "three"]);
}

#[test]
fn what_does_not_fit_is_counted_where_it_is_missing() {
    let queue = Queue::new(8192);
    let long = "x".repeat(3000);
    for _ in 0..5 {
        put(&queue, line(&long));
    }
    put(&queue, line("short"));
    assert_eq!(drain(&queue), [long.as_str(), "lost 4", "short"]);
}

#[test]
fn a_flood_of_lines_leaves_room_for_notices() {
    let queue = Queue::new(64 * 1024);
    for number in 0..10_000 {
        put(&queue, line_of(number % 100, "flood"));
    }
    put(&queue, coalesced());
    assert_eq!(
        drain(&queue).last().unwrap(),
        r"Notice(Supervisor(RestartCoalesced), None)"
    );
}

#[test]
fn workers_that_flood_leave_room_for_those_that_do_not() {
    let queue = Queue::new(256 * 1024);
    for _ in 0..10_000 {
        put(&queue, line_of(1, "flood"));
        put(&queue, line_of(2, "flood"));
    }
    for number in 0..100 {
        put(&queue, line_of(3, &format!("quiet {number}")));
    }
    let shown = drain(&queue);
    let quiet = shown.iter().filter(|text| text.starts_with("quiet"));
    assert_eq!(quiet.count(), 100);
    let lost: u64 = shown
        .iter()
        .filter_map(|text| text.strip_prefix("lost ")?.parse::<u64>().ok())
        .sum();
    let written = shown.iter().filter(|text| *text == "flood").count();
    assert_eq!(written as u64 + lost, 20_000);
}

#[test]
fn what_a_worker_had_waiting_counts_no_more_once_it_is_taken() {
    let queue = Queue::new(8192);
    let long = "x".repeat(3000);
    let mut batch = Vec::new();
    for _ in 0..100 {
        put(&queue, line(&long));
        assert_eq!(queue.take(&mut batch), Turn::Write);
    }
    assert_eq!(batch.len(), 100);
    assert!(queue.lock().shares.is_empty());
    assert_eq!(queue.lock().bytes, 0);
}

#[test]
fn a_batch_of_records_that_does_not_fit_counts_each_of_them() {
    let queue = Queue::new(8192);
    put(&queue, records(1, 4, 2000, false));
    put(&queue, records(1, 5, 2000, false));
    put(&queue, records(1, 1, 10, false));
    let lost = Lost {
        source: source(1),
        count: 7,
    };
    assert_eq!(
        Item::Entry(SystemTime::now(), Entry::Lost(lost)).entries(),
        7
    );
    assert_eq!(drain(&queue), ["lost 9", "1 records"]);
}

#[test]
fn records_that_a_worker_waits_for_are_not_dropped() {
    let queue = Queue::new(8192);
    for _ in 0..20 {
        put(&queue, records(1, 1, 2000, true));
    }
    assert_eq!(drain(&queue), ["1 records"; 20]);
}

#[test]
fn records_that_workers_wait_for_take_no_room_from_notices_and_lines() {
    let queue = Queue::new(8192);
    for worker in 0..100 {
        put(&queue, records(worker, 4, 2000, true));
    }
    put(&queue, coalesced());
    put(&queue, line("quiet"));
    let shown = drain(&queue);
    assert_eq!(shown.len(), 102);
    assert_eq!(shown.last().unwrap(), "quiet");
}

#[test]
fn what_a_dead_worker_left_has_room_of_its_own() {
    let queue = Queue::new(8192);
    let last_words = || last_words(records(1, 1, 2000, false), 40_000);
    for _ in 0..19 {
        put(&queue, last_words());
    }
    put(&queue, coalesced());
    put(&queue, line("quiet"));
    put(&queue, last_words());
    put(&queue, last_words());
    let mut expected = vec!["1 records"; 19];
    expected.extend([r"Notice(Supervisor(RestartCoalesced), None)", "quiet"]);
    expected.push("lost 2");
    assert_eq!(drain(&queue), expected);
    assert_eq!(queue.lock().last_words, 0);
    assert_eq!(queue.lock().bytes, 0);
}

fn last_words(records: Entry, most: usize) -> Entry {
    let Entry::Records(records) = records else {
        panic!("no records but {records:?}");
    };
    let records = Arc::into_inner(records).unwrap();
    Entry::Records(Arc::new(records.into_last_words(most)))
}

#[test]
fn to_open_files_anew_comes_before_everything_else() {
    let queue = Queue::new(CAPACITY);
    let mut batch = Vec::new();
    put(&queue, line("one"));
    queue.reopen();
    assert_eq!(queue.take(&mut batch), Turn::Reopen);
    assert_eq!(queue.take(&mut batch), Turn::Write);
    queue.close();
    assert_eq!(queue.take(&mut batch), Turn::End);
}

#[test]
fn a_closed_queue_takes_nothing() {
    let queue = Queue::new(CAPACITY);
    queue.close();
    put(&queue, line("late"));
    assert!(drain(&queue).is_empty());
}

#[test]
fn no_count_that_a_worker_claims_is_too_large() {
    let queue = Queue::new(0);
    let lost = Lost {
        source: source(1),
        count: u64::MAX,
    };
    put(&queue, Entry::Lost(lost));
    put(&queue, Entry::Lost(lost));
    assert_eq!(drain(&queue), [format!("lost {}", u64::MAX)]);
}
