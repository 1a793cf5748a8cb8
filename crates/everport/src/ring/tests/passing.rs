//! What is handed over comes out: whole, in its order, around the end, and what does not fit is counted.

use super::super::memory;
use super::*;
use crate::record::LONGEST_RECORD;

/// Bytes that no other record has.
fn record(number: u32, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = number
        .to_le_bytes()
        .iter()
        .copied()
        .cycle()
        .take(length)
        .collect();
    bytes[length - 1] = length as u8;
    bytes
}

#[test]
fn records_of_any_length_come_out_as_they_went_in() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Drop);
    let lengths = [
        1,
        3,
        4,
        5,
        100,
        4095,
        4096,
        LONGEST_RECORD - 1,
        LONGEST_RECORD,
    ];
    // Often enough to go around the end at many places, within lengths, too.
    for round in 0..200 {
        let records = lengths.map(|length| record(round, length));
        for record in &records {
            assert!(producer.hand_over(record));
        }
        assert_eq!(take_all(&mut consumer), records);
    }
    assert_eq!(consumer.look().unwrap().lost, 0);
}

#[test]
fn a_turn_takes_whole_records_only() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Drop);
    let records = [record(1, 10), record(2, LONGEST_RECORD), record(3, 10)];
    for record in &records {
        assert!(producer.hand_over(record));
    }
    let head = consumer.look().unwrap().head;
    for record in &records {
        assert_eq!(
            split(&consumer.take(head).unwrap()),
            std::slice::from_ref(record)
        );
    }
    assert!(consumer.take(head).unwrap().is_empty());
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Drop);
    let one = record(1, 1000);
    let fitting = (0..).take_while(|_| producer.hand_over(&one)).count();
    assert_eq!(fitting, (256 * 1024) / 1004);
    assert!(!producer.hand_over(&one));
    // A smaller one still fits.
    assert!(producer.hand_over(&[1]));
    let look = consumer.look().unwrap();
    assert_eq!(look.lost, 2);
    assert_eq!(take_all(&mut consumer).len(), fitting + 1);
    assert_eq!(consumer.look().unwrap().lost, 0);
    assert!(producer.hand_over(&one));
}

#[test]
fn a_ring_can_be_filled_to_its_last_byte() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Drop);
    for _ in 0..4 {
        assert!(producer.hand_over(&record(1, 64 * 1024 - LENGTH_PREFIX)));
    }
    assert!(!producer.hand_over(&[1]));
    assert_eq!(take_all(&mut consumer).len(), 4);
}

#[test]
fn what_cannot_be_a_record_is_counted() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Block);
    assert!(!producer.hand_over(&[]));
    assert!(!producer.hand_over(&vec![1; LONGEST_RECORD + 1]));
    assert_eq!(consumer.look().unwrap().lost, 2);
    assert!(take_all(&mut consumer).is_empty());
}

#[test]
fn threads_hand_over_one_after_the_other() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Block);
    const EACH: u32 = 20_000;
    let taken = std::thread::scope(|scope| {
        for thread in 0..3 {
            let producer = &producer;
            scope.spawn(move || {
                for number in 0..EACH {
                    let record = [[thread; 4], number.to_le_bytes()].concat();
                    assert!(producer.hand_over(&record));
                }
            });
        }
        let mut taken = vec![Vec::new(); 3];
        let until = std::time::Instant::now() + BOUND;
        while taken.iter().map(Vec::len).sum::<usize>() < 3 * EACH as usize {
            assert!(std::time::Instant::now() < until, "records are missing");
            for record in take_all(&mut consumer) {
                let (thread, number) = record.split_first_chunk::<4>().unwrap();
                assert_eq!(*thread, [thread[0]; 4]);
                taken[usize::from(thread[0])].push(u32::from_le_bytes(number.try_into().unwrap()));
            }
        }
        taken
    });
    for numbers in taken {
        assert!(numbers.into_iter().eq(0..EACH));
    }
}

#[test]
fn its_memory_keeps_its_length() {
    let memory = memory::make(Size::DEFAULT).unwrap();
    for length in [0, 1 << 12, 1 << 30] {
        let result = rustix::fs::ftruncate(&memory, length);
        assert_eq!(result, Err(rustix::io::Errno::PERM), "{length}");
    }
    assert!(rustix::fs::fcntl_add_seals(&memory, rustix::fs::SealFlags::WRITE).is_err());
}

#[test]
fn memory_of_another_length_is_not_mapped() {
    let Ring { consumer, bell } = Ring::new(Size::at_least(0)).unwrap();
    let memory = consumer.memory().try_clone_to_owned().unwrap();
    let opened = Producer::open(&memory, bell, Size::DEFAULT, WhenFull::Drop);
    assert_eq!(opened.unwrap_err().kind(), std::io::ErrorKind::InvalidData);
}

#[test]
fn sizes_are_powers_of_two_within_bounds() {
    let least = Size::at_least(0);
    assert_eq!(least.bytes(), 256 * 1024);
    assert_eq!(Size::at_least(300_000).bytes(), 512 * 1024);
    assert_eq!(Size::at_least(u64::MAX).bytes(), 64 * 1024 * 1024);
    for wrong in [0, 1, 4096, 300_000, u32::MAX] {
        assert_eq!(Size::checked(wrong), None, "{wrong}");
    }
    assert_eq!(Size::checked(256 * 1024), Some(least));
}

#[test]
fn a_copy_made_by_fork_hands_nothing_over() {
    let (producer, mut consumer, _bell) = ring(WhenFull::Drop);
    assert!(producer.hand_over(&[1]));
    // SAFETY: the child looks at one page and ends; it takes no lock and allocates nothing.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let was_taken = producer.hand_over(&[2]);
        // SAFETY: it ends the child without running anything of the parent's.
        unsafe { libc::_exit(i32::from(was_taken)) };
    }
    let child = rustix::process::Pid::from_raw(child).unwrap();
    let options = rustix::process::WaitOptions::empty();
    let (_, status) = rustix::process::waitpid(Some(child), options)
        .unwrap()
        .unwrap();
    assert_eq!(status.exit_status(), Some(0));
    assert!(producer.hand_over(&[3]));
    assert_eq!(take_all(&mut consumer), [[1], [3]]);
}
