//! What one-connection requests lose under endless rolling restarts, and how long they take.

use std::time::{Duration, Instant};

use everport_load::{Load, RunningLoad};
use everport_tests::Cluster;

use crate::effort::Effort;
use crate::phase::{Comparison, Phase, Round, TRACES};
use crate::plot::Plot;
use crate::subject::{SHARINGS, lossless_cluster};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

pub(crate) const NAME: &str = "restarts";

/// Compares calm and restarts for each settle time and each way to share.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(6);
    let seconds = effort.seconds(Duration::from_secs(5));
    let method = format!(
        "{CLIENTS} clients, one connection per request, {RATE} requests a second, nothing retried; latency \
         from each request's intended start. {WORKERS} workers, {rounds} rounds of {seconds:?} without and \
         {seconds:?} with rolling restarts one after the other, in turn. Quantiles: the median of the \
         rounds; max: of all rounds. Generator and cluster share the machine."
    );
    let mut outcome = Outcome::new(NAME, method, vec![Table::new("", &COLUMNS)]);
    let mut failures = Table::new("Failures", &["sharing", "settle", "failure", "requests"]);
    for settle in SETTLE_TIMES {
        let mut rows = Vec::new();
        for sharing in SHARINGS {
            let cluster = lossless_cluster(WORKERS, sharing, &format!("--settle {settle}"));
            let calm = || Ok(Round::calm(load(&cluster, seconds)?, seconds));
            let busy = || restarts(&cluster, seconds);
            let compared = Comparison::take(rounds, calm, busy)?;
            let sharing = sharing.to_string();
            tell(&compared, [&sharing, settle], &mut outcome);
            let names = [sharing.clone().into(), settle.into()];
            compared.busy.tell_failures(&names, &mut failures);
            rows.push(compared.row(&sharing, "rolling restarts"));
        }
        outcome.plots.push(Plot {
            name: format!("settle-{settle}"),
            title: format!(
                "Rolling restarts one after the other, settle {settle} s: {RATE} requests a second, one connection each"
            ),
            marks: "worker replaced",
            limit: None,
            rows,
        });
    }
    outcome.add_unless_empty(failures);
    Ok(outcome)
}

const COLUMNS: [&str; 11] = [
    "sharing",
    "settle, s",
    "phase",
    "requests",
    "failed",
    "restarts",
    "p50, ms",
    "p99, ms",
    "p99.9, ms",
    "max, ms",
    "p99.9 to calm",
];

fn restarts(cluster: &Cluster, seconds: Duration) -> anyhow::Result<Round> {
    let position = cluster.log().position();
    let end = Instant::now() + seconds;
    let load = load(cluster, seconds)?;
    let mut restarts = 0;
    while Instant::now() < end {
        cluster.restart();
        restarts += 1;
    }
    let replaced = cluster.log().arrivals_since(position, REPLACED);
    let marks = replaced.into_iter().map(|at| (at, at));
    Ok(Round::busy(load, seconds, restarts, marks))
}

fn tell(compared: &Comparison, [sharing, settle]: [&str; 2], outcome: &mut Outcome) {
    let slowdown = compared.slowdown();
    let mut row = |what: &str, phase: &Phase, ratio| {
        let counts = [phase.requests(), phase.failed(), phase.disturbances()];
        let names = [sharing.into(), settle.into(), what.into()];
        let cells = names.into_iter().chain(counts.map(Cell::from));
        outcome.tables[0].row(cells.chain(phase.quantiles()).chain([ratio]));
    };
    row("calm", &compared.calm, "".into());
    row("restarts", &compared.busy, Cell::Interval(slowdown, 2));
    let title = |what| format!("{what}, {sharing}, settle {settle} s");
    let lost = title("failed one-connection requests");
    outcome
        .figures
        .push(Figure::lost(lost, compared.busy.failed()));
    outcome.figures.push(Figure {
        what: title("p99.9 during restarts against calm"),
        limit: Limit::AtMost(1.5),
        measured: slowdown,
        unit: "",
    });
}

fn load(cluster: &Cluster, duration: Duration) -> anyhow::Result<RunningLoad> {
    let load = Load::new(cluster.address())
        .clients(CLIENTS)
        .one_shot()
        .rate(f64::from(RATE))
        .expect_body("Hello, World!")
        .source_addresses(8)
        .traces(TRACES)
        .duration(duration);
    Ok(load.start()?)
}

/// As many as the figures' watcher at rest has.
const WORKERS: u32 = 4;
/// More than are ever busy at this rate, so that a stall finds clients to delay.
const CLIENTS: usize = 32;
/// Requests a second: well below what two cores can serve, so that a queue comes only from restarts.
const RATE: u32 = 1000;
/// As fast as it goes, which keeps a core busy with starting programs; and the default.
const SETTLE_TIMES: [&str; 2] = ["0", "1"];
/// The log says so when a new worker has taken over.
const REPLACED: &str = " drains: its successor is ready";
