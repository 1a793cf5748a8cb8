//! Both sides of a ring, against each other and against what the other one must not be able to do.

mod blocking;
mod hostile;
mod killed;
mod passing;
mod ringing;

use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::{Consumer, Producer, Ring, Size};
use crate::log::WhenFull;
use crate::record::LENGTH_PREFIX;

/// How long anything may take on a busy machine before a test fails.
const BOUND: Duration = Duration::from_secs(120);

/// Both sides of a new ring of the least size, and its bell.
fn ring(when_full: WhenFull) -> (Producer, Consumer, OwnedFd) {
    let size = Size::at_least(0);
    let Ring { consumer, bell } = Ring::new(size).unwrap();
    let memory = consumer.memory().try_clone_to_owned().unwrap();
    let theirs = bell.try_clone().unwrap();
    let producer = Producer::open(&memory, theirs, size, when_full).unwrap();
    (producer, consumer, bell)
}

/// What is in the ring, record by record, without taking more than one turn at a time.
fn take_all(consumer: &mut Consumer) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    let head = consumer.look().unwrap().head;
    while consumer.tail() != head {
        records.extend(split(&consumer.take(head).unwrap()));
    }
    records
}

fn split(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<LENGTH_PREFIX>() {
        let (record, rest) = rest.split_at(u32::from_le_bytes(*length) as usize);
        records.push(record.to_vec());
        bytes = rest;
    }
    assert!(bytes.is_empty());
    records
}

/// Whether the bell is rung in time, and how often it was since it was asked last.
fn hear(bell: &OwnedFd, within: Duration) -> u64 {
    let within = Timespec::try_from(within).unwrap();
    poll(&mut [PollFd::new(bell, PollFlags::IN)], Some(&within)).unwrap();
    let mut count = [0; 8];
    match rustix::io::read(bell.as_fd(), &mut count) {
        Ok(_) => u64::from_ne_bytes(count),
        Err(_) => 0,
    }
}
