//! What a dead worker has left in its ring.

use super::*;

#[tokio::test]
async fn what_a_dead_worker_committed_last_is_taken() {
    let worker = start(WhenFull::Drop);
    assert!(worker.producer.hand_over(&encoded("last words")));
    worker.capture.finish();
    let records = next_records(&worker.entries).await;
    assert_eq!(messages(&records), ["last words"]);
    assert!(worker.entries.recv().is_err(), "something more came");
}

/// Fills rings of so many workers, which die together then, and returns how many records were committed and how many
/// are in the log.
fn written_after_the_death_of(workers: u64, size: Size) -> (usize, usize) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let writer = Writer::builder("watcher").file(LogFile::at(&path));
    let writer = writer.start().unwrap();
    let pool = Arc::default();
    let record = encoded(&"x".repeat(2000));
    let mut committed = 0;
    let full = |worker| {
        let Ring { consumer, bell } = Ring::new(size).unwrap();
        let memory = consumer.memory().try_clone_to_owned().unwrap();
        let producer = Producer::open(&memory, bell, size, WhenFull::Drop).unwrap();
        committed += (0..).take_while(|_| producer.hand_over(&record)).count();
        let (source, sink) = (source(worker), writer.sink());
        Taker::new(source, consumer, WhenFull::Drop, sink, &pool)
    };
    let takers: Vec<_> = (0..workers).map(full).collect();
    takers
        .into_iter()
        .for_each(|mut taker| while taker.take_last_turn() {});
    // More than a writer's end may take, should the machine be busy.
    let sink = Arc::downgrade(&writer.sink());
    drop(writer);
    let until = std::time::Instant::now() + PATIENCE;
    while sink.strong_count() > 0 {
        assert!(std::time::Instant::now() < until, "it is never written");
        std::thread::sleep(Duration::from_millis(1));
    }
    let log = std::fs::read_to_string(&path).unwrap();
    let written = log.lines().filter(|line| line.contains("xxx")).count();
    (committed, written)
}

#[test]
fn all_of_a_large_ring_is_written_after_its_workers_death() {
    let (committed, written) = written_after_the_death_of(1, Size::at_least(16 << 20));
    assert!(committed > 5_000);
    assert_eq!(written, committed);
}

#[test]
fn all_that_many_workers_committed_is_written_although_they_die_together() {
    let (committed, written) = written_after_the_death_of(16, Size::DEFAULT);
    assert!(committed > 5_000);
    assert_eq!(written, committed);
}

#[tokio::test]
async fn the_last_errors_are_kept_for_the_report_of_its_death() {
    let worker = start(WhenFull::Drop);
    for number in 0..25 {
        let error = encoded_at(Level::Error, &format!("error {number}"));
        assert!(worker.producer.hand_over(&error));
        assert!(worker.producer.hand_over(&encoded("no error")));
    }
    let long = encoded_at(Level::Error, &"x".repeat(10_000));
    assert!(worker.producer.hand_over(&long));
    while worker.capture.last_errors().is_empty() {
        next_records(&worker.entries).await;
    }
    let late = encoded_at(Level::Error, "the\nlast");
    assert!(worker.producer.hand_over(&late));
    let errors = worker.capture.finish();
    assert_eq!(errors.len(), 10, "{errors:?}");
    assert_eq!(errors[0], "error 17 (shop)");
    assert!(errors[8].starts_with("xxx") && errors[8].len() < 600);
    assert_eq!(errors[9], "the\\nlast (shop)");
}

#[tokio::test]
async fn what_a_dead_worker_left_leaves_turns_to_everything_else() {
    let worker = start(WhenFull::Drop);
    let large = encoded(&"x".repeat(LONGEST_RECORD / 2));
    assert!(worker.producer.hand_over(&large));
    assert!(!worker.capture.has_much());
    // The runtime has no turn meanwhile.
    while worker.producer.hand_over(&large) {}
    assert!(worker.capture.has_much());
    let count = Arc::new(AtomicU64::new(0));
    let others_turns = Arc::clone(&count);
    tokio::spawn(async move {
        loop {
            others_turns.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    });
    worker.capture.take_last_turns().await;
    assert!(!worker.capture.has_much());
    let taken: Vec<_> = worker.entries.try_iter().collect();
    let (lost, records) = taken.split_last().unwrap();
    assert!(matches!(lost, Entry::Lost(_)), "{lost:?}");
    assert!(records.len() > 5);
    assert!(count.load(Ordering::Relaxed) >= records.len() as u64);
}

#[tokio::test]
async fn good_records_before_nonsense_in_the_ring_of_a_dead_worker_are_taken() {
    let worker = start(WhenFull::Drop);
    let large = encoded(&"x".repeat(LONGEST_RECORD - 4096));
    assert!(worker.producer.hand_over(&large) && worker.producer.hand_over(&large));
    assert!(worker.producer.hand_over(b"this is no record"));
    worker.capture.finish();
    assert_eq!(next_records(&worker.entries).await.count(), 1);
    assert!(matches!(next(&worker.entries).await, Entry::Notice(..)));
    assert!(worker.entries.recv().is_err(), "something more came");
}
