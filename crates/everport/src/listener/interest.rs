//! Knows whether the application accepts from a port, and when it last got a connection.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The application's interest in one port.
#[derive(Debug)]
pub(crate) struct Interest {
    /// Accepts under way.
    accepts: AtomicU32,
    start: Instant,
    /// Nanoseconds from `start` to the last connection.
    last_connection: AtomicU64,
}

/// An accept under way.
pub(crate) struct Accept<'interest> {
    interest: &'interest Interest,
}

impl Interest {
    pub(crate) fn new() -> Self {
        Self {
            accepts: AtomicU32::new(0),
            start: Instant::now(),
            last_connection: AtomicU64::new(0),
        }
    }

    pub(crate) fn begin(&self) -> Accept<'_> {
        self.accepts.fetch_add(1, Ordering::SeqCst);
        Accept { interest: self }
    }

    /// When the application was last given a connection, or the beginning when it never was.
    pub(crate) fn last_connection(&self) -> Instant {
        self.start + Duration::from_nanos(self.last_connection.load(Ordering::SeqCst))
    }

    /// Whether an accept is under way.
    pub(crate) fn is_alive(&self) -> bool {
        self.accepts.load(Ordering::SeqCst) > 0
    }

    fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Accept<'_> {
    /// The accept ends with a connection.
    pub(crate) fn succeeded(self) {
        let now = self.interest.now();
        self.interest
            .last_connection
            .fetch_max(now, Ordering::SeqCst);
    }
}

impl Drop for Accept<'_> {
    fn drop(&mut self) {
        self.interest.accepts.fetch_sub(1, Ordering::SeqCst);
    }
}
