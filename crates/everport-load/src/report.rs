//! What a load found out.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::failure::FailureKind;
use crate::latency::{Latency, millis};

/// What a load found out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// What was done, in words.
    pub title: String,
    /// Requests that ended: `ok` and all failures.
    pub total: u64,
    /// Requests with a whole answer as expected.
    pub ok: u64,
    /// How many requests failed in which way.
    pub failures: BTreeMap<FailureKind, u64>,
    /// The first failures.
    pub examples: Vec<Example>,
    /// Requests that were due at a constant rate when the load ended, but that no client was free to send.
    pub unsent: u64,
    /// From the begin to the end of the last request.
    pub elapsed: Duration,
    /// How long the answers took, from each request's intended start, connecting included. Failures are
    /// not in here.
    pub latency: Latency,
    /// How late requests started: because every client was waiting for the server, or because this
    /// machine was too busy to run them.
    pub start_delay: Latency,
    /// What became of the connections.
    pub connections: Connections,
    /// How many answers each worker gave, if answers say who gave them.
    pub workers: BTreeMap<String, u64>,
    /// What happened over time, in buckets of [`BUCKET_WIDTH`](Self::BUCKET_WIDTH) from the begin on.
    pub series: Vec<Bucket>,
    /// Single requests in the order of their ends, as many as [`Load::traces`](crate::Load::traces) asked
    /// for.
    pub traces: Vec<Trace>,
}

/// What became of a load's connections.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Connections {
    /// How many were made.
    pub opened: u64,
    /// The longest wait for one, whether it was made or not.
    pub longest_wait: Duration,
    /// Those that the server closed while they were idle, before another request was sent: nothing lost.
    pub closed_while_idle: u64,
    /// Those that the server left for the client to close after the last answer.
    pub closed_by_client: u64,
}

/// One failure.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Example {
    /// When the client saw it, from the load's begin.
    pub at: Duration,
    /// How long that was after the request's intended start.
    pub after: Duration,
    /// What it saw.
    pub kind: FailureKind,
    /// The same in words, with details.
    pub detail: String,
}

/// The requests that ended in one stretch of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bucket {
    /// Answered as expected.
    pub ok: u64,
    /// Failed.
    pub failures: u64,
    /// The longest any of them took, failed ones included.
    pub max_latency: Duration,
}

/// One request: when it should have started, and how it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Trace {
    /// Its intended start, from the load's begin.
    pub intended: Duration,
    /// From there to when it was sent, or a connection for it was asked for: all of its client's own making.
    pub delay: Duration,
    /// From its intended start to its whole answer, or to its failure.
    pub latency: Duration,
    /// Whether it failed.
    pub failed: bool,
}

/// Fine enough to see a restart in a plot, coarse enough for a run of a day.
pub(crate) const BUCKET_WIDTH: Duration = Duration::from_millis(100);

impl Report {
    /// The width of the time series' buckets.
    pub const BUCKET_WIDTH: Duration = BUCKET_WIDTH;

    pub(crate) fn empty(title: String) -> Self {
        Self {
            title,
            total: 0,
            ok: 0,
            failures: BTreeMap::new(),
            examples: Vec::new(),
            unsent: 0,
            elapsed: Duration::ZERO,
            latency: Latency::default(),
            start_delay: Latency::default(),
            connections: Connections::default(),
            workers: BTreeMap::new(),
            series: Vec::new(),
            traces: Vec::new(),
        }
    }

    /// How many requests failed.
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// How many requests failed in this way.
    #[must_use]
    pub fn failed_with(&self, kind: FailureKind) -> u64 {
        self.failures.get(&kind).copied().unwrap_or(0)
    }

    /// Expected answers per second.
    #[must_use]
    pub fn throughput(&self) -> f64 {
        let seconds = self.elapsed.as_secs_f64();
        if seconds > 0.0 {
            self.ok as f64 / seconds
        } else {
            0.0
        }
    }

    /// Asserts that requests were sent and none was lost.
    ///
    /// # Panics
    /// With the whole report, when a request failed, or when none was answered: a load that did nothing
    /// shows nothing.
    #[track_caller]
    pub fn assert_lossless(&self) {
        assert!(self.ok > 0, "the load had no answer at all\n{self}");
        let failed = self.failed();
        assert!(
            failed == 0,
            "{failed} of {} requests were lost\n{self}",
            self.total
        );
    }

    fn write_workers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.workers.is_empty() {
            return Ok(());
        }
        write!(f, "\n  workers      {}", self.workers.len())?;
        for (worker, count) in self.workers.iter().take(SHOWN_WORKERS) {
            let share = *count as f64 * 100.0 / self.ok as f64;
            write!(f, "\n    {worker:<20} {count:>10} {share:>6.2} %")?;
        }
        if self.workers.len() > SHOWN_WORKERS {
            write!(f, "\n    and {} more", self.workers.len() - SHOWN_WORKERS)?;
        }
        Ok(())
    }

    fn write_failures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (kind, count) in &self.failures {
            write!(f, "\n  failed       {count} × {kind}")?;
        }
        for example in &self.examples {
            let (at, after) = (example.at.as_secs_f64(), millis(example.after));
            let (kind, detail) = (example.kind, &example.detail);
            write!(
                f,
                "\n    at {at:.4} s, after {after:.3} ms: {kind}: {detail}"
            )?;
        }
        let unshown = self.failed() - self.examples.len() as u64;
        if unshown > 0 && !self.examples.is_empty() {
            write!(f, "\n    and {unshown} more")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.elapsed.as_secs_f64();
        write!(f, "load on {}", self.title)?;
        write!(f, "\n  requests     {} in {seconds:.3} s, ", self.total)?;
        write!(f, "ok {} ({:.1}/s), ", self.ok, self.throughput())?;
        write!(
            f,
            "failed {}, due but unsent {}",
            self.failed(),
            self.unsent
        )?;
        write!(f, "\n  latency      {}", self.latency)?;
        write!(f, "\n  start delay  {}", self.start_delay)?;
        let connections = &self.connections;
        write!(f, "\n  connections  {} opened, ", connections.opened)?;
        write!(
            f,
            "longest wait {:.3} ms, ",
            millis(connections.longest_wait)
        )?;
        write!(
            f,
            "{} closed by the server while idle, ",
            connections.closed_while_idle
        )?;
        write!(
            f,
            "{} left to the client to close",
            connections.closed_by_client
        )?;
        self.write_workers(f)?;
        self.write_failures(f)
    }
}

/// More lines than that hide the rest of the report.
const SHOWN_WORKERS: usize = 40;
