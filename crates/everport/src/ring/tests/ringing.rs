//! When the bell rings: always when the watcher would sleep on otherwise, and seldom else.

use super::*;

#[test]
fn it_rings_once_for_a_watcher_that_sleeps() {
    let (producer, mut consumer, bell) = ring(WhenFull::Drop);
    for _ in 0..2 {
        assert!(consumer.fall_asleep());
        for _ in 0..10 {
            assert!(producer.hand_over(&[1]));
        }
        assert_eq!(hear(&bell, BOUND), 1);
        assert_eq!(take_all(&mut consumer).len(), 10);
    }
}

#[test]
fn it_does_not_ring_for_one_that_looks_by_itself() {
    let (producer, mut consumer, bell) = ring(WhenFull::Drop);
    consumer.wake_up();
    for _ in 0..10 {
        assert!(producer.hand_over(&[1]));
        assert_eq!(take_all(&mut consumer).len(), 1);
    }
    assert_eq!(hear(&bell, Duration::ZERO), 0);
}

#[test]
fn it_rings_each_time_when_half_of_the_ring_is_in_use() {
    let (producer, mut consumer, bell) = ring(WhenFull::Drop);
    consumer.wake_up();
    let quarter = vec![1; 64 * 1024 - LENGTH_PREFIX];
    for _ in 0..3 {
        assert!(producer.hand_over(&quarter));
        assert_eq!(hear(&bell, Duration::ZERO), 0);
        assert!(producer.hand_over(&quarter));
        assert_eq!(hear(&bell, Duration::ZERO), 1);
        assert!(producer.hand_over(&quarter));
        assert_eq!(hear(&bell, Duration::ZERO), 0);
        take_all(&mut consumer);
        assert!(producer.hand_over(&[1]));
        take_all(&mut consumer);
    }
}

#[test]
fn a_watcher_does_not_fall_asleep_before_a_record() {
    let (producer, mut consumer, bell) = ring(WhenFull::Drop);
    consumer.wake_up();
    assert!(producer.hand_over(&[1]));
    assert!(!consumer.fall_asleep());
    take_all(&mut consumer);
    assert!(consumer.fall_asleep());
    assert_eq!(hear(&bell, Duration::ZERO), 0);
}

/// The race of a watcher that falls asleep with a worker that commits: if both missed each other, the bell would not
/// ring, and the record would lie there until the next.
#[test]
fn no_record_is_slept_through() {
    let (producer, mut consumer, bell) = ring(WhenFull::Block);
    const RECORDS: usize = 300_000;
    std::thread::scope(|scope| {
        let producer = &producer;
        scope.spawn(move || {
            for number in 0..RECORDS {
                assert!(producer.hand_over(&number.to_le_bytes()));
                // Pauses of many lengths, so that the other side falls asleep at every moment.
                (0..number % 97).for_each(|_| std::hint::spin_loop());
            }
        });
        let (mut taken, mut slept) = (0, 0);
        while taken < RECORDS {
            let records = take_all(&mut consumer).len();
            taken += records;
            if records == 0 && consumer.fall_asleep() {
                slept += 1;
                assert!(hear(&bell, BOUND) > 0, "slept on after {taken} records");
                consumer.wake_up();
            }
        }
        assert!(slept > 100, "only {slept} times: nothing was tried");
    });
}
