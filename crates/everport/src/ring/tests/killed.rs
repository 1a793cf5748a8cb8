//! A worker that is killed while it writes: what it had committed is there, and nothing of what it had not.

use std::os::fd::AsRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// Tells the program that it is executed again as a writer, and the numbers of its descriptors.
const WRITER_VARIABLE: &str = "EVERPORT_TEST_RING";

/// Not a test of its own: what the program does when it is executed again. It writes until it is killed.
#[test]
fn writer() {
    use std::os::fd::FromRawFd;

    let Ok(fds) = std::env::var(WRITER_VARIABLE) else {
        return;
    };
    let fds = fds.split(':').map(|fd| {
        // SAFETY: both were made for this process by the one that started it, and nothing else here knows them.
        unsafe { OwnedFd::from_raw_fd(fd.parse().unwrap()) }
    });
    let [memory, bell] = <[OwnedFd; 2]>::try_from(fds.collect::<Vec<_>>()).unwrap();
    let size = Size::at_least(0);
    let producer = Producer::open(&memory, bell, size, WhenFull::Block).unwrap();
    for number in 0_u32.. {
        producer.hand_over(&record(number));
    }
}

/// A record whose every byte says which it is.
fn record(number: u32) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + number as usize * 7 % 1000)
}

fn spawn_writer(consumer: &Consumer, bell: &OwnedFd) -> Child {
    let memory = consumer.memory().try_clone_to_owned().unwrap();
    let bell = bell.try_clone().unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "ring::tests::killed::writer",
            "--test-threads",
            "1",
        ])
        .env(
            WRITER_VARIABLE,
            format!("{}:{}", memory.as_raw_fd(), bell.as_raw_fd()),
        )
        .stdout(Stdio::null());
    let inherit = move || {
        fcntl_setfd(&memory, FdFlags::empty())?;
        Ok(fcntl_setfd(&bell, FdFlags::empty())?)
    };
    // SAFETY: it makes two system calls, and nothing else.
    unsafe { command.pre_exec(inherit) }.spawn().unwrap()
}

#[test]
fn what_a_killed_worker_had_committed_is_whole() {
    let mut seen_a_full_ring = false;
    for round in 0..30 {
        let Ring { mut consumer, bell } = Ring::new(Size::at_least(0)).unwrap();
        let mut child = spawn_writer(&consumer, &bell);
        let mut taken = Vec::new();
        let until = Instant::now() + BOUND;
        // It is killed at another moment each time, in the midst of what it does; at last while it waits for room.
        while taken.len() < 200 + 37 * round {
            assert!(Instant::now() < until, "only {} came", taken.len());
            taken.extend(take_all(&mut consumer));
        }
        if round % 10 == 9 {
            while consumer.look().unwrap().head - consumer.tail() < 200_000 {
                assert!(Instant::now() < until, "the ring does not fill up");
            }
            seen_a_full_ring = true;
        }
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
        taken.extend(take_all(&mut consumer));
        for (number, bytes) in (0..).zip(&taken) {
            assert!(*bytes == record(number), "record {number} of round {round}");
        }
        assert_eq!(consumer.look().unwrap().head, consumer.tail());
        assert!(consumer.fall_asleep());
    }
    assert!(seen_a_full_ring);
}
