//! A worker that waits for room, and all that ends such a wait.

use std::sync::atomic::Ordering;
use std::thread::{self, ScopedJoinHandle};
use std::time::Instant;

use super::super::memory::Mapping;
use super::super::never_wait_here;
use super::super::patience::STANDSTILL;
use super::*;
use crate::record::LONGEST_RECORD;

/// Fills the ring without waiting.
fn fill(producer: &Producer) {
    for _ in 0..4 {
        assert!(producer.hand_over(&vec![1; LONGEST_RECORD - LENGTH_PREFIX]));
    }
}

/// Begins to hand over what has no room, and returns once that waits.
fn wait_for_room<'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    producer: &'scope Producer,
    memory: &Mapping,
) -> ScopedJoinHandle<'scope, bool> {
    let waiting = scope.spawn(|| producer.hand_over(&[2]));
    let until = Instant::now() + BOUND;
    while memory.header().is_awaited.load(Ordering::SeqCst) == 0 {
        assert!(Instant::now() < until, "it does not wait");
        thread::yield_now();
    }
    assert!(!waiting.is_finished());
    waiting
}

#[test]
fn a_record_waits_for_room() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Block);
    let memory = Mapping::new(consumer.memory(), 0).unwrap();
    for _ in 0..20 {
        fill(&producer);
        thread::scope(|scope| {
            let waiting = wait_for_room(scope, &producer, &memory);
            let head = consumer.look().unwrap().head;
            consumer.take(head).unwrap();
            assert!(waiting.join().unwrap());
        });
        assert_eq!(take_all(&mut consumer).last(), Some(&vec![2]));
    }
    assert_eq!(consumer.look().unwrap().lost, 0);
}

#[test]
fn a_worker_that_is_to_end_waits_no_longer() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Block);
    let memory = Mapping::new(consumer.memory(), 0).unwrap();
    fill(&producer);
    thread::scope(|scope| {
        let waiting = wait_for_room(scope, &producer, &memory);
        assert!(producer.waits());
        producer.stop_waiting();
        assert!(!waiting.join().unwrap());
    });
    assert!(!producer.waits() && !producer.hand_over(&[3]));
    assert_eq!(consumer.look().unwrap().lost, 2);
    // Records go on being taken as long as there is room.
    take_all(&mut consumer);
    assert!(producer.hand_over(&[4]));
}

#[test]
fn nobody_waits_for_a_watcher_that_has_closed_the_ring() {
    let (producer, consumer, _bell) = ring(WhenFull::Block);
    let memory = Mapping::new(consumer.memory(), 0).unwrap();
    fill(&producer);
    thread::scope(|scope| {
        let waiting = wait_for_room(scope, &producer, &memory);
        drop(consumer);
        assert!(!waiting.join().unwrap());
    });
    assert!(!producer.hand_over(&[3]));
}

/// The race of a worker that begins to wait with a watcher that makes room: a wake-up that is lost costs the time of
/// a slice, so thousands of them would cost far more than the bound.
#[test]
fn no_wake_up_is_lost() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Block);
    const RECORDS: usize = 20_000;
    let large = vec![7; LONGEST_RECORD / 2];
    let began = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| (0..RECORDS).for_each(|_| assert!(producer.hand_over(&large))));
        let mut taken = 0;
        while taken < RECORDS {
            assert!(began.elapsed() < BOUND, "only {taken} taken");
            let head = consumer.look().unwrap().head;
            taken += split(&consumer.take(head).unwrap()).len();
        }
    });
}

#[test]
fn a_log_that_stands_still_is_not_waited_for_until_it_moves() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Block);
    let memory = Mapping::new(consumer.memory(), 0).unwrap();
    fill(&producer);
    let began = Instant::now();
    assert!(!producer.hand_over(&[2]));
    assert!(began.elapsed() >= STANDSTILL);
    // A wait for each of them would take minutes.
    for _ in 0..200 {
        assert!(!producer.hand_over(&[3]));
    }
    assert!(began.elapsed() < BOUND);
    assert_eq!(consumer.look().unwrap().lost, 201);
    take_all(&mut consumer);
    fill(&producer);
    thread::scope(|scope| {
        let waiting = wait_for_room(scope, &producer, &memory);
        take_all(&mut consumer);
        assert!(waiting.join().unwrap());
    });
}

#[test]
fn a_thread_that_must_not_wait_does_not_even_wait_for_one_that_does() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Block);
    let memory = Mapping::new(consumer.memory(), 0).unwrap();
    fill(&producer);
    thread::scope(|scope| {
        let waiting = wait_for_room(scope, &producer, &memory);
        let hasty = scope.spawn(|| {
            never_wait_here();
            producer.hand_over(&[3])
        });
        assert!(!hasty.join().unwrap());
        assert!(!waiting.is_finished());
        take_all(&mut consumer);
        assert!(waiting.join().unwrap());
    });
    // It is counted with the next one.
    assert!(producer.hand_over(&[4]));
    assert_eq!(consumer.look().unwrap().lost, 1);
}

#[test]
fn nothing_is_handed_over_when_nobody_takes_it() {
    let (producer, consumer, _bell) = ring(WhenFull::Drop);
    assert!(producer.hand_over(&[1]) && !producer.is_closed());
    drop(consumer);
    assert!(!producer.hand_over(&[2]) && !producer.hand_over_within(BOUND, &[3]));
    assert!(producer.is_closed());

    let (producer, _consumer, _bell) = ring(WhenFull::Block);
    producer.close();
    assert!(!producer.hand_over(&[1]) && producer.is_closed());
}
