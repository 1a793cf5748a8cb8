//! What the load generator sees of servers that misbehave in every way, and of those that do not.
#![allow(
    clippy::unwrap_used,
    reason = "clippy takes only functions marked as tests for tests, not those they call"
)]

mod command;
mod failures;
mod pace;
mod progress;
mod server;
mod settings;
mod socket_table;
mod transports;

use everport_load::{Load, Report};

/// Runs a load to its end and checks that everything in its report adds up.
fn run(load: Load) -> Report {
    let report = load.start().unwrap().wait();
    check_sums(&report);
    report
}

fn check_sums(report: &Report) {
    let in_series =
        |of: fn(&everport_load::Bucket) -> u64| report.series.iter().map(of).sum::<u64>();
    assert_eq!(report.ok + report.failed(), report.total, "{report}");
    assert_eq!(in_series(|bucket| bucket.ok), report.ok, "{report}");
    assert_eq!(
        in_series(|bucket| bucket.failures),
        report.failed(),
        "{report}"
    );
    assert_eq!(report.latency.count(), report.ok, "{report}");
    assert_eq!(report.start_delay.count(), report.total, "{report}");
    assert!(report.examples.len() as u64 <= report.failed(), "{report}");
    assert!(
        report.workers.values().sum::<u64>() <= report.ok,
        "{report}"
    );
}
