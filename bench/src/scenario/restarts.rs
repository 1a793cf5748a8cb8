//! What one-connection requests lose under rolling restarts, and how long they take.

use std::thread;
use std::time::{Duration, Instant};

use everport::Sharing;
use everport_load::{Load, RunningLoad};
use everport_tests::Cluster;

use crate::effort::Effort;
use crate::phase::{Comparison, Phase, Round, TRACES};
use crate::plot::Plot;
use crate::subject::{SHARINGS, lossless_cluster};
use crate::table::{Cell, Figure, Limit, Outcome, Table};
use crate::turns::in_turn;

pub(crate) const NAME: &str = "restarts";

/// Compares calm and restarts for each way to restart and each way to share.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(16);
    let seconds = effort.seconds(Duration::from_secs(2));
    let method = format!(
        "{CLIENTS} clients, one connection per request, {RATE} requests a second, nothing retried; latency \
         from each request's intended start. {WORKERS} workers, {rounds} rounds of {seconds:?} without and \
         {seconds:?} with rolling restarts, in turn, and every way to share in each round. They serve by \
         `everport::http`. *Every 2 s* a restart begins, without settling; *settle 1 s* is \
         the default, one restart after the other; *one after the other* is the same without settling, {:?} at a time: \
         it shows what is lost in thousands of replacements. Its p99.9 measures what starting programs on every core \
         without end does to their neighbours, and no limit is set to it. Quantiles are of answered requests: the median of \
         the rounds with their quartiles; max: of all rounds; ratios: within a round. Generator and cluster share the machine.",
        effort.seconds(ENDLESS)
    );
    let mut outcome = Outcome::new(NAME, method, vec![Table::new("", &COLUMNS)]);
    let mut failures = Table::new("Failures", &["restarts", "sharing", "failure", "requests"]);
    for way in WAYS {
        let seconds = effort.seconds(way.length());
        let mut rows = Vec::new();
        for (sharing, compared) in compare(way, rounds, seconds)? {
            tell(&compared, way, sharing, &mut outcome);
            let names = [way.name().into(), sharing.to_string().into()];
            compared.busy.tell_failures(&names, &mut failures);
            rows.push(compared.row(&sharing.to_string(), "rolling restarts"));
        }
        outcome.plots.push(Plot {
            name: way.slug().to_owned(),
            title: format!(
                "Rolling restarts {}: {RATE} requests a second, one connection each",
                way.name()
            ),
            marks: "worker replaced",
            limit: None,
            rows,
        });
    }
    outcome.add_unless_empty(failures);
    Ok(outcome)
}

/// How restarts follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// One begins every two seconds.
    EveryTwoSeconds,
    /// One after the other, each worker settling for as long as it does by default.
    Settling,
    /// One after the other as fast as it goes, which keeps a core busy with starting programs.
    Endless,
}

const WAYS: [Way; 3] = [Way::EveryTwoSeconds, Way::Settling, Way::Endless];

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::EveryTwoSeconds => "every 2 s",
            Self::Settling => "settle 1 s",
            Self::Endless => "one after the other",
        }
    }

    fn slug(self) -> &'static str {
        match self {
            Self::EveryTwoSeconds => "every-2-s",
            Self::Settling => "settle-1",
            Self::Endless => "settle-0",
        }
    }

    fn settle(self) -> &'static str {
        match self {
            Self::EveryTwoSeconds | Self::Endless => "--settle 0",
            Self::Settling => "--settle 1",
        }
    }

    /// How long a measurement takes.
    fn length(self) -> Duration {
        match self {
            Self::EveryTwoSeconds | Self::Settling => EVERY,
            Self::Endless => ENDLESS,
        }
    }

    /// With settling only those of whom a figure is promised: each of its restarts takes four seconds.
    fn sharings(self) -> &'static [Sharing] {
        match self {
            Self::EveryTwoSeconds | Self::Endless => &SHARINGS,
            Self::Settling => &[Sharing::Reuseport, Sharing::Transfer],
        }
    }

    /// Whether a limit is set to the tail.
    fn has_limit(self) -> bool {
        self != Self::Endless
    }

    /// Restarts the cluster until the end, and says how often.
    fn restart(self, cluster: &Cluster, begin: Instant, end: Instant) -> u64 {
        // In the middle of a short measurement, early in a long one.
        let mut next = match self {
            Self::EveryTwoSeconds => begin + (end - begin).min(EVERY) / 4,
            Self::Settling | Self::Endless => begin,
        };
        let mut restarts = 0;
        while next < end {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            cluster.restart();
            restarts += 1;
            next = match self {
                Self::EveryTwoSeconds => next + EVERY,
                Self::Settling | Self::Endless => Instant::now(),
            };
        }
        restarts
    }
}

/// Has a cluster for each way to share; all but one are idle at any time.
fn compare(way: Way, rounds: u32, seconds: Duration) -> anyhow::Result<Vec<(Sharing, Comparison)>> {
    let start = |sharing: &Sharing| {
        let cluster = lossless_cluster(WORKERS, *sharing, way.settle());
        (*sharing, cluster, Comparison::default())
    };
    let mut all: Vec<_> = way.sharings().iter().map(start).collect();
    in_turn(&mut all, rounds, |(_, cluster, compared)| {
        let calm = || Ok(Round::calm(load(cluster, seconds)?, seconds));
        compared.take_round(calm, || restarts(way, cluster, seconds))
    })?;
    let compared = all.into_iter();
    Ok(compared
        .map(|(sharing, _, compared)| (sharing, compared))
        .collect())
}

const COLUMNS: [&str; 11] = [
    "restarts",
    "sharing",
    "phase",
    "requests",
    "failed",
    "number of restarts",
    "p50, ms",
    "p99, ms",
    "p99.9, ms",
    "max, ms",
    "p99.9 to calm",
];

fn restarts(way: Way, cluster: &Cluster, seconds: Duration) -> anyhow::Result<Round> {
    let position = cluster.log().position();
    let load = load(cluster, seconds)?;
    let begin = load.begin();
    let restarts = way.restart(cluster, begin, begin + seconds);
    let replaced = cluster.log().arrivals_since(position, REPLACED);
    let marks = replaced.into_iter().map(|at| (at, at));
    Ok(Round::busy(load, seconds, restarts, marks))
}

fn tell(compared: &Comparison, way: Way, sharing: Sharing, outcome: &mut Outcome) {
    let slowdown = compared.slowdown();
    let mut row = |what: &str, phase: &Phase, ratio| {
        let counts = [phase.requests(), phase.failed(), phase.disturbances()];
        let names = [way.name().into(), sharing.to_string().into(), what.into()];
        let cells = names.into_iter().chain(counts.map(Cell::from));
        outcome.tables[0].row(cells.chain(phase.quantiles()).chain([ratio]));
    };
    row("calm", &compared.calm, "".into());
    row("restarts", &compared.busy, Cell::Interval(slowdown, 2));
    let title = |what| format!("{what}, {}, {sharing}", way.name());
    let lost = title("failed one-connection requests");
    outcome
        .figures
        .push(Figure::lost(lost, compared.busy.failed()));
    if way.has_limit() {
        outcome.figures.push(Figure {
            what: title("p99.9 during restarts against calm"),
            limit: Limit::AtMost(1.5),
            measured: slowdown,
            unit: "",
        });
    }
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
const EVERY: Duration = Duration::from_secs(2);
/// How long a measurement with restarts one after the other takes.
const ENDLESS: Duration = Duration::from_millis(600);
/// The log says so when a new worker has taken over.
const REPLACED: &str = " drains: its successor is ready";
