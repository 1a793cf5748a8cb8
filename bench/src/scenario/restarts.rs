//! What one-connection requests lose under endless rolling restarts, and how long they take.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use everport::Sharing;
use everport_load::{FailureKind, Load, Report};
use everport_tests::{Cluster, take_turn};

use crate::effort::Effort;
use crate::statistics::{Interval, Sample, millis};
use crate::subject::{SHARINGS, cluster};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

pub(crate) const NAME: &str = "restarts";

/// Measures calm and restarts in turn, so that whatever else the machine does meets both alike.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(6);
    let seconds = effort.seconds(Duration::from_secs(5));
    let mut outcome = Outcome {
        scenario: NAME,
        method: format!(
            "{CLIENTS} clients, one connection per request, {RATE} requests a second, nothing retried; latency \
             from each request's intended start. {WORKERS} workers, {rounds} rounds of {seconds:?} without and \
             {seconds:?} with rolling restarts one after the other, in turn. Quantiles: the median of the \
             rounds; max: of all rounds. Generator and cluster share the machine."
        ),
        tables: vec![Table::new("", &COLUMNS)],
        figures: Vec::new(),
    };
    let mut failures = Table::new("Failures", &["sharing", "settle", "failure", "requests"]);
    for settle in SETTLE_TIMES {
        for sharing in SHARINGS {
            let measured = Measured::take(sharing, settle, rounds, seconds)?;
            measured.tell(&mut outcome, &mut failures);
        }
    }
    if !failures.rows.is_empty() {
        outcome.tables.push(failures);
    }
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

/// All rounds of one way to share and one settle time.
struct Measured {
    sharing: Sharing,
    settle: &'static str,
    calm: Phase,
    restarts: Phase,
}

/// All rounds of calm, or of restarts.
#[derive(Default)]
struct Phase {
    rounds: Vec<Report>,
    restarts: u64,
}

impl Measured {
    fn take(
        sharing: Sharing,
        settle: &'static str,
        rounds: u32,
        seconds: Duration,
    ) -> anyhow::Result<Self> {
        let cluster = cluster(WORKERS, sharing, &format!("--settle {settle}"));
        let mut measured = Self {
            sharing,
            settle,
            calm: Phase::default(),
            restarts: Phase::default(),
        };
        for round in 0..rounds {
            let _turn = take_turn();
            // Neither is always the first.
            if round.is_multiple_of(2) {
                measured.calm.add(load(&cluster, seconds)?.wait());
                measured.add_restarts(&cluster, seconds)?;
            } else {
                measured.add_restarts(&cluster, seconds)?;
                measured.calm.add(load(&cluster, seconds)?.wait());
            }
        }
        Ok(measured)
    }

    fn add_restarts(&mut self, cluster: &Cluster, seconds: Duration) -> anyhow::Result<()> {
        let end = Instant::now() + seconds;
        let load = load(cluster, seconds)?;
        while Instant::now() < end {
            cluster.restart();
            self.restarts.restarts += 1;
        }
        self.restarts.add(load.wait());
        Ok(())
    }

    /// How much longer the slowest of a thousand took during restarts, round by round.
    fn slowdown(&self) -> Interval {
        let pairs = self.restarts.rounds.iter().zip(&self.calm.rounds);
        let ratio = |(restarts, calm): (&Report, &Report)| {
            restarts.latency.percentile(99.9).as_secs_f64()
                / calm.latency.percentile(99.9).as_secs_f64()
        };
        pairs.map(ratio).collect::<Sample>().median_interval()
    }

    fn tell(&self, outcome: &mut Outcome, failures: &mut Table) {
        let name = self.sharing.to_string();
        for (phase, what) in [(&self.calm, "calm"), (&self.restarts, "restarts")] {
            let names = [name.clone().into(), self.settle.into(), what.into()];
            let mut row: Vec<Cell> = names.into();
            row.extend(phase.cells());
            row.push(if what == "calm" {
                "".into()
            } else {
                Cell::Interval(self.slowdown(), 2)
            });
            outcome.tables[0].row(row);
        }
        for (kind, count) in self.restarts.failures() {
            let names = [name.clone().into(), self.settle.into()];
            let what = [kind.to_string().into(), count.into()];
            failures.row(names.into_iter().chain(what));
        }
        let title = |what| format!("{what}, {name}, settle {} s", self.settle);
        outcome.figures.push(Figure {
            what: title("failed one-connection requests"),
            limit: Limit::AtMost(0.0),
            measured: Interval::exact(self.restarts.failed() as f64),
            unit: "requests",
        });
        outcome.figures.push(Figure {
            what: title("p99.9 during restarts against calm"),
            limit: Limit::AtMost(1.5),
            measured: self.slowdown(),
            unit: "",
        });
    }
}

impl Phase {
    fn add(&mut self, report: Report) {
        self.rounds.push(report);
    }

    fn failed(&self) -> u64 {
        self.rounds.iter().map(Report::failed).sum()
    }

    fn failures(&self) -> BTreeMap<FailureKind, u64> {
        let mut sums = BTreeMap::new();
        for (kind, count) in self.rounds.iter().flat_map(|round| &round.failures) {
            *sums.entry(*kind).or_default() += count;
        }
        sums
    }

    fn cells(&self) -> Vec<Cell> {
        let percentile = |percent| {
            let of = |round: &Report| millis(round.latency.percentile(percent));
            Cell::Number(self.rounds.iter().map(of).collect::<Sample>().median(), 2)
        };
        let maxima = self.rounds.iter().map(|round| millis(round.latency.max()));
        let requests: u64 = self.rounds.iter().map(|round| round.total).sum();
        vec![
            requests.into(),
            self.failed().into(),
            self.restarts.into(),
            percentile(50.0),
            percentile(99.0),
            percentile(99.9),
            Cell::Number(maxima.collect::<Sample>().max(), 2),
        ]
    }
}

fn load(cluster: &Cluster, duration: Duration) -> anyhow::Result<everport_load::RunningLoad> {
    let load = Load::new(cluster.address())
        .clients(CLIENTS)
        .one_shot()
        .rate(f64::from(RATE))
        .expect_body("Hello, World!")
        .source_addresses(8)
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
