//! A constant rate of requests, with a timer finer than tokio's millisecond.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use tokio::sync::Semaphore;

/// When each request of a load with a constant rate is due.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    pub(crate) begin: Instant,
    /// Requests per second.
    pub(crate) rate: f64,
    /// How many requests there are at most.
    pub(crate) limit: u64,
}

impl Schedule {
    /// When request `number`, counted from 0, is meant to start.
    pub(crate) fn intended_start(&self, number: u64) -> Instant {
        self.begin + Duration::from_secs_f64(number as f64 / self.rate)
    }

    /// How many requests are due at `now`.
    pub(crate) fn due(&self, now: Instant) -> u64 {
        let Some(passed) = now.checked_duration_since(self.begin) else {
            return 0;
        };
        let due = (passed.as_secs_f64() * self.rate) as u64 + 1;
        due.min(self.limit)
    }
}

/// A thread that releases one permit at each request's intended start.
///
/// A permit that nobody takes at once stays: the request is late, not dropped, and its latency counts from
/// its intended start. The thread sleeps until each start anew, so that lateness does not add up. Its
/// sleeps end within some 10 µs of their time (with the timer slack set to its minimum); the clients'
/// runtime needs as long again to wake up. The report's start delay shows what became of that.
#[derive(Debug)]
pub(crate) struct Pacer {
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Pacer {
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn start(schedule: Schedule, permits: Arc<Semaphore>) -> io::Result<Self> {
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopped);
        let thread = thread::Builder::new()
            .name("load-pacer".to_owned())
            .spawn(move || {
                release(&schedule, &seen, |due| {
                    // The limit of requests is far below the greatest number of permits.
                    permits.add_permits(usize::try_from(due).unwrap_or(0));
                });
            })?;
        Ok(Self {
            stopped,
            thread: Some(thread),
        })
    }
}

impl Drop for Pacer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // A panic of the pacer has been printed by its own thread; without it the load only starves.
            drop(thread.join());
        }
    }
}

/// Calls `hand_over` at each intended start with the number of requests that have become due since it was called last.
fn release(schedule: &Schedule, stopped: &AtomicBool, mut hand_over: impl FnMut(u64)) {
    sleep_precisely();
    let mut released = 0;
    while released < schedule.limit && !stopped.load(Ordering::Acquire) {
        let due = schedule.due(Instant::now());
        if due > released {
            hand_over(due - released);
            released = due;
        }
        let next = schedule.intended_start(released);
        thread::park_timeout(next.saturating_duration_since(Instant::now()));
    }
}

/// By default the kernel may end a sleep up to 50 µs late to save wake-ups.
fn sleep_precisely() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let least = std::num::NonZeroU64::new(1);
        // Without it the sleeps end a little later, which the report's start delay shows.
        let _ = rustix::thread::set_current_timer_slack(least);
    }
}

#[cfg(test)]
mod tests {
    use super::{Schedule, release};
    use std::sync::atomic::AtomicBool;
    use std::time::{Duration, Instant};

    #[test]
    fn a_request_is_due_from_its_intended_start_on() {
        let begin = Instant::now();
        let schedule = Schedule {
            begin,
            rate: 2000.0,
            limit: 5000,
        };
        assert_eq!(schedule.due(begin), 1);
        assert_eq!(schedule.due(begin + Duration::from_micros(499)), 1);
        for number in [1, 2, 3, 777, 4999] {
            let start = schedule.intended_start(number);
            assert_eq!(start, begin + Duration::from_micros(500) * number as u32);
            assert_eq!(schedule.due(start + Duration::from_nanos(50)), number + 1);
            assert_eq!(schedule.due(start - Duration::from_nanos(50)), number);
        }
    }

    #[test]
    fn nothing_is_due_before_the_begin_or_beyond_the_limit() {
        let begin = Instant::now() + Duration::from_secs(5);
        let schedule = Schedule {
            begin,
            rate: 10.0,
            limit: 3,
        };
        assert_eq!(schedule.due(begin - Duration::from_secs(1)), 0);
        assert_eq!(schedule.due(begin + Duration::from_secs(60)), 3);
    }

    /// A timer of whole milliseconds can end 200 waits within the 200 ms of this schedule, however idle the machine is. A
    /// finer one ends one for nearly each request, unless the machine has no time for it: then another try may.
    #[test]
    fn requests_are_released_more_often_than_once_in_a_millisecond() {
        let patience = Instant::now() + Duration::from_secs(60);
        loop {
            let schedule = Schedule {
                begin: Instant::now(),
                rate: 5000.0,
                limit: 1000,
            };
            let (mut waits, mut released) = (0, 0);
            release(&schedule, &AtomicBool::new(false), |due| {
                waits += 1;
                released += due;
            });
            assert_eq!(released, 1000, "each is released once");
            if waits > 400 {
                return;
            }
            assert!(Instant::now() < patience, "only {waits} times in 200 ms");
        }
    }
}
