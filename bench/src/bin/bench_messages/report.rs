//! What was measured: by the worker that sends, and by whoever receives.

use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Events of the measurement itself.
pub(crate) const BEGIN: &str = "begin";
pub(crate) const SENT: &str = "sent";
pub(crate) const RECEIVED: &str = "received";
/// Events that are measured.
pub(crate) const ECHO: &str = "echo";
pub(crate) const STREAM: &str = "stream";

/// What the sender knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Sent {
    pub(crate) median_nanos: u64,
    pub(crate) p99_nanos: u64,
    pub(crate) messages: u64,
}

/// What the receiver knows.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Received {
    pub(crate) messages: u64,
    /// From the first to the last.
    pub(crate) nanos: u64,
}

/// Counts a stream of messages as they come.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    messages: u64,
    begun: Option<Instant>,
}

/// Both together.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) sent: Sent,
    pub(crate) received: Received,
}

impl Sent {
    pub(crate) fn new(mut round_trips: Vec<Duration>, messages: u64) -> Self {
        round_trips.sort_unstable();
        let quantile = |share: f64| {
            let rank = (round_trips.len() as f64 * share).ceil() as usize;
            round_trips.get(rank.saturating_sub(1)).map_or(0, nanos)
        };
        Self {
            median_nanos: quantile(0.5),
            p99_nanos: quantile(0.99),
            messages,
        }
    }
}

impl Counter {
    pub(crate) fn count(&mut self) {
        self.begun.get_or_insert_with(Instant::now);
        self.messages += 1;
    }

    pub(crate) fn finish(self) -> Received {
        Received {
            messages: self.messages,
            nanos: self.begun.map_or(0, |begun| nanos(&begun.elapsed())),
        }
    }
}

fn nanos(time: &Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl fmt::Display for Report {
    /// As `messages.js` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, received } = self;
        // The first one only starts the clock.
        let rate = received.messages.saturating_sub(1) as f64 / (received.nanos as f64 / 1e9);
        let lost = sent.messages.abs_diff(received.messages);
        let (median, p99) = (sent.median_nanos, sent.p99_nanos);
        write!(f, "{median} {p99} {rate:.0} {lost}")
    }
}
