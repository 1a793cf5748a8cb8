//! Checks of what a machine can spoil that lets a process stand still for a moment.

use std::time::{Duration, Instant};

use crate::Stalls;

/// How often such a check may be spoilt. What is really wrong is so each time.
const ATTEMPTS: usize = 5;

/// How late a sleeping thread must have woken up for the machine to have spoilt a check. A calm one wakes it at once, a busy
/// one is late by more than this every second.
const STALL: Duration = Duration::from_millis(10);

/// Checks again when it was spoilt, a few times at most. An error is what only shows something when no process stood
/// still: whatever must never be wrong panics instead.
///
/// # Panics
/// When it is spoilt each time: then it is no accident. At once when nothing stood still meanwhile.
#[track_caller]
pub fn unless_spoilt(check: impl Fn() -> Result<(), String>) {
    let mut spoilt = Vec::new();
    while spoilt.len() < ATTEMPTS {
        let stalls = Stalls::watch();
        let checked = check();
        let longest = stalls.longest();
        match checked {
            Ok(()) => return,
            Err(how) => {
                assert!(longest >= STALL, "only {longest:?} of stall: {how}");
                println!("an attempt that shows nothing ({longest:?} of stall): {how}");
                spoilt.push(how);
            }
        }
    }
    panic!("{ATTEMPTS} attempts, and each of them: {spoilt:#?}");
}

/// How far apart steps were that should have followed each other at once.
#[derive(Debug)]
pub struct Gaps {
    last: Instant,
    longest: Duration,
}

impl Gaps {
    /// Begins now.
    #[must_use]
    pub fn begin() -> Self {
        Self {
            last: Instant::now(),
            longest: Duration::ZERO,
        }
    }

    /// The next step is done.
    pub fn step(&mut self) {
        self.longest = self.longest.max(self.last.elapsed());
        self.last = Instant::now();
    }

    /// The longest time between two steps, or from the beginning to the first.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.longest
    }
}
