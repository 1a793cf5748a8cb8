//! Where the clients' results come together while a load runs.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::load::Plan;
use crate::report::{BUCKET_WIDTH, Bucket, Connections, Example, Report, Trace};

/// How one request went.
#[derive(Debug)]
pub(crate) struct Finished {
    /// When it should have started: latency counts from here.
    pub(crate) intended: Instant,
    /// When it did start.
    pub(crate) started: Instant,
    /// When its answer was whole, or its failure seen.
    pub(crate) ended: Instant,
    /// Which worker answered, if it said so; or what went wrong.
    pub(crate) result: Result<Option<String>, Failure>,
}

/// Collects what a report is made of.
#[derive(Debug)]
pub(crate) struct Recorder {
    begin: Instant,
    /// How many failures are kept in full.
    examples: usize,
    /// How many requests are kept one by one.
    traces: usize,
    report: Report,
}

impl Recorder {
    pub(crate) fn new(plan: &Plan, begin: Instant) -> Self {
        Self {
            begin,
            examples: plan.examples,
            traces: plan.traces,
            report: Report::empty(plan.to_string()),
        }
    }

    pub(crate) fn connections(&mut self) -> &mut Connections {
        &mut self.report.connections
    }

    pub(crate) fn record(&mut self, finished: Finished) {
        let at = finished.ended.saturating_duration_since(self.begin);
        let latency = finished.ended.saturating_duration_since(finished.intended);
        let delay = finished
            .started
            .saturating_duration_since(finished.intended);
        self.report.total += 1;
        self.report.elapsed = self.report.elapsed.max(at);
        self.report.start_delay.record(delay);
        if self.report.traces.len() < self.traces {
            self.report.traces.push(Trace {
                intended: finished.intended.saturating_duration_since(self.begin),
                delay,
                latency,
                failed: finished.result.is_err(),
            });
        }
        let bucket = self.bucket(at);
        bucket.max_latency = bucket.max_latency.max(latency);
        match finished.result {
            Ok(worker) => {
                bucket.ok += 1;
                self.report.ok += 1;
                self.report.latency.record(latency);
                count_worker(&mut self.report.workers, worker);
            }
            Err(failure) => {
                bucket.failures += 1;
                self.record_failure(failure, at, latency);
            }
        }
    }

    /// The report so far. `unsent` is how many requests were due and never sent.
    pub(crate) fn report(&self, unsent: u64) -> Report {
        let mut report = self.report.clone();
        report.unsent = unsent;
        report
    }

    fn record_failure(&mut self, failure: Failure, at: Duration, after: Duration) {
        *self.report.failures.entry(failure.kind).or_default() += 1;
        if self.report.examples.len() < self.examples {
            self.report.examples.push(Example {
                at,
                after,
                kind: failure.kind,
                detail: failure.detail,
            });
        }
    }

    fn bucket(&mut self, at: Duration) -> &mut Bucket {
        // A load lasts a day and its time-outs at most, so that there is a bound to this.
        let index = (at.as_millis() / BUCKET_WIDTH.as_millis()) as usize;
        let series = &mut self.report.series;
        if index >= series.len() {
            series.resize(index + 1, Bucket::default());
        }
        &mut series[index]
    }
}

fn count_worker(workers: &mut BTreeMap<String, u64>, worker: Option<String>) {
    let Some(worker) = worker else { return };
    if let Some(count) = workers.get_mut(&worker) {
        *count += 1;
    } else if workers.len() < MOST_WORKERS {
        workers.insert(worker, 1);
    } else {
        *workers.entry("others".to_owned()).or_default() += 1;
    }
}

/// A long soak replaces workers for ever; beyond this the names are of no use to a reader.
const MOST_WORKERS: usize = 100_000;
