//! What a worker may do to the memory that it shares: whatever it is, it is told apart from records and harms nobody.

use std::sync::atomic::Ordering;

use super::super::Nonsense;
use super::super::memory::Mapping;
use super::*;
use crate::record::LONGEST_RECORD;

const SIZE: u64 = 256 * 1024;

/// A ring without a worker, and its memory to do with as one likes.
fn stranger() -> (Consumer, Mapping) {
    let Ring { consumer, bell: _ } = Ring::new(Size::at_least(0)).unwrap();
    let memory = Mapping::new(consumer.memory(), SIZE as usize).unwrap();
    (consumer, memory)
}

/// Looks once and takes all it may.
fn take(consumer: &mut Consumer) -> Result<usize, Nonsense> {
    let head = consumer.look()?.head;
    let mut bytes = 0;
    for _ in 0..=SIZE {
        let taken = consumer.take(head)?;
        if taken.is_empty() {
            return Ok(bytes);
        }
        bytes += taken.len();
    }
    panic!("it takes without end");
}

#[test]
fn a_head_that_cannot_be_is_refused() {
    for head in [SIZE + 1, u64::MAX, 1 << 63, 2 * SIZE] {
        let (mut consumer, memory) = stranger();
        memory.header().head.store(head, Ordering::SeqCst);
        let expected = Nonsense::Head { head, tail: 0 };
        assert_eq!(take(&mut consumer), Err(expected));
    }
}

#[test]
fn what_was_lost_is_not_forgotten_over_a_head_that_cannot_be() {
    let (mut consumer, memory) = stranger();
    memory.header().lost.store(3, Ordering::SeqCst);
    memory.header().head.store(SIZE + 1, Ordering::SeqCst);
    assert!(consumer.look().is_err());
    memory.header().head.store(0, Ordering::SeqCst);
    assert_eq!(consumer.look().unwrap().lost, 3);
}

#[test]
fn a_head_that_goes_back_is_refused() {
    let (mut consumer, memory) = stranger();
    memory.write(0, &[1, 0, 0, 0, 9]);
    memory.header().head.store(5, Ordering::SeqCst);
    assert_eq!(take(&mut consumer), Ok(5));
    memory.header().head.store(4, Ordering::SeqCst);
    let expected = Nonsense::Head { head: 4, tail: 5 };
    assert_eq!(take(&mut consumer), Err(expected));
}

#[test]
fn lengths_that_no_record_has_are_refused() {
    let too_long = LONGEST_RECORD as u32 + 1;
    for length in [0, too_long, u32::MAX, i32::MAX as u32] {
        let (mut consumer, memory) = stranger();
        memory.write(0, &length.to_le_bytes());
        memory.header().head.store(SIZE, Ordering::SeqCst);
        assert_eq!(take(&mut consumer), Err(Nonsense::Length(length)));
    }
}

#[test]
fn a_record_that_goes_beyond_the_head_is_refused() {
    for (length, head) in [
        (10_u32, 13),
        (10, 5),
        (LONGEST_RECORD as u32, 4),
        (1, 3),
        (1, 1),
    ] {
        let (mut consumer, memory) = stranger();
        memory.write(0, &length.to_le_bytes());
        memory.header().head.store(head, Ordering::SeqCst);
        assert_eq!(
            take(&mut consumer),
            Err(Nonsense::Beyond),
            "{length} {head}"
        );
    }
}

#[test]
fn a_ring_of_zeros_is_refused() {
    let (mut consumer, memory) = stranger();
    memory.header().head.store(SIZE, Ordering::SeqCst);
    assert_eq!(take(&mut consumer), Err(Nonsense::Length(0)));
}

#[test]
fn a_number_of_losses_that_goes_back_is_refused() {
    let (mut consumer, memory) = stranger();
    memory.header().lost.store(5, Ordering::SeqCst);
    assert_eq!(consumer.look().unwrap().lost, 5);
    memory.header().lost.store(4, Ordering::SeqCst);
    let expected = Nonsense::Lost { now: 4, before: 5 };
    assert_eq!(take(&mut consumer), Err(expected));
}

#[test]
fn a_tail_that_the_worker_moves_means_nothing() {
    let (mut consumer, memory) = stranger();
    memory.write(0, &[1, 0, 0, 0, 9, 1, 0, 0, 0, 8]);
    memory.header().head.store(5, Ordering::SeqCst);
    assert_eq!(take(&mut consumer), Ok(5));
    memory.header().tail.store(4711, Ordering::SeqCst);
    memory.header().head.store(10, Ordering::SeqCst);
    assert_eq!(take(&mut consumer), Ok(5));
    assert_eq!(memory.header().tail.load(Ordering::SeqCst), 10);
}

#[test]
fn a_hole_in_the_memory_reads_as_zeros() {
    let (mut consumer, memory) = stranger();
    memory.write(0, &[1, 0, 0, 0, 9]);
    let flags = rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE;
    rustix::fs::fallocate(consumer.memory(), flags, 0, SIZE).unwrap();
    memory.header().head.store(5, Ordering::SeqCst);
    assert_eq!(take(&mut consumer), Err(Nonsense::Length(0)));
}

#[test]
fn whatever_is_in_the_memory_is_taken_or_refused() {
    // SplitMix64: small, and good enough to vary bytes.
    let mut seed = 0x0065_7665_7270_6f72_u64;
    let mut random = || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed ^ (mixed >> 29)
    };
    let (mut refused, mut taken) = (0, 0);
    for _ in 0..500 {
        let (mut consumer, memory) = stranger();
        let mut at = 0;
        // Lengths that are mostly right, so that some of it is taken.
        while at < SIZE as usize / 2 {
            let length = match random() % 400 {
                0 => random() as u32,
                _ => (random() % 5000) as u32,
            };
            memory.write(at, &length.to_le_bytes());
            at += LENGTH_PREFIX + length.min(5000) as usize;
        }
        let head = if random() % 10 == 0 {
            random()
        } else {
            random() % (SIZE / 8)
        };
        memory.header().head.store(head, Ordering::SeqCst);
        match take(&mut consumer) {
            Ok(_) => taken += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(refused > 100, "only {refused} of {taken} were refused");
}
