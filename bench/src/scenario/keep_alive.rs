//! What kept connections lose under rolling restarts, with pauses between their requests.

use std::time::{Duration, Instant};

use everport::Sharing;
use everport_load::{Load, RunningLoad};
use everport_tests::Cluster;

use crate::effort::Effort;
use crate::phase::{Comparison, Phase, Round, TRACES};
use crate::plot::Plot;
use crate::subject::{SHARINGS, lossless_cluster};
use crate::table::{Cell, Figure, Outcome, Table};
use crate::turns::in_turn;

pub(crate) const NAME: &str = "keep-alive";

/// Compares calm and restarts for each number of connections and each way to share.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(2);
    let seconds = effort.seconds(Duration::from_secs(8));
    let method = format!(
        "{WORKERS} workers, nothing retried; {rounds} rounds of {seconds:?} calm and {seconds:?} with rolling \
         restarts one after the other (`--settle {SETTLE}`), in turn, and every way to share in each round. They serve by \
         `everport::http`. Two loads at once, each on its own kept \
         connections: {RATE} requests a second, whose quantiles are shown, and clients that pause at random for \
         up to {PAUSE:?} before each request. A restart waits at a slot whose worker still drains, hence for the \
         idle minimum: there are too few of them in a round for a ratio, which `restarts` tells. Quantiles are of \
         answered requests: the median of the rounds with their quartiles; max: of all rounds."
    );
    let mut outcome = Outcome::new(NAME, method, vec![Table::new("", &COLUMNS)]);
    let mut failures = Table::new(
        "Failures",
        &["sharing", "connections", "failure", "requests"],
    );
    for connections in CONNECTIONS {
        let mut rows = Vec::new();
        for (sharing, compared) in compare(connections, rounds, seconds)? {
            tell(&compared, sharing, connections, &mut outcome);
            let names = [sharing.to_string().into(), (connections as u64).into()];
            compared.busy.tell_failures(&names, &mut failures);
            rows.push(compared.row(&sharing.to_string(), "rolling restarts"));
        }
        outcome.plots.push(Plot {
            name: connections.to_string(),
            title: format!("Rolling restarts one after the other: {RATE} requests a second on kept connections ({connections})"),
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
    "connections",
    "phase",
    "requests",
    "with pauses",
    "failed",
    "restarts",
    "p50, ms",
    "p99, ms",
    "p99.9, ms",
    "max, ms",
];

/// Has a cluster for each way to share; all but one are idle at any time.
fn compare(
    connections: usize,
    rounds: u32,
    seconds: Duration,
) -> anyhow::Result<Vec<(Sharing, Comparison)>> {
    let settle = format!("--settle {SETTLE}");
    let start = |sharing| {
        let cluster = lossless_cluster(WORKERS, sharing, &settle);
        (sharing, cluster, Comparison::default())
    };
    let mut all = SHARINGS.map(start);
    in_turn(&mut all, rounds, |(_, cluster, compared)| {
        let calm = || {
            let (steady, pausing) = loads(cluster, connections, seconds)?;
            let round = Round::calm(steady, seconds);
            Ok(round.beside(pausing))
        };
        compared.take_round(calm, || restarts(cluster, connections, seconds))
    })?;
    let compared = all.into_iter();
    Ok(compared
        .map(|(sharing, _, compared)| (sharing, compared))
        .collect())
}

fn restarts(cluster: &Cluster, connections: usize, seconds: Duration) -> anyhow::Result<Round> {
    let position = cluster.log().position();
    let end = Instant::now() + seconds;
    let (steady, pausing) = loads(cluster, connections, seconds)?;
    let mut restarts = 0;
    while Instant::now() < end {
        cluster.restart();
        restarts += 1;
    }
    let replaced = cluster.log().arrivals_since(position, REPLACED);
    let marks = replaced.into_iter().map(|at| (at, at));
    Ok(Round::busy(steady, seconds, restarts, marks).beside(pausing))
}

fn tell(compared: &Comparison, sharing: Sharing, connections: usize, outcome: &mut Outcome) {
    let mut row = |what: &str, phase: &Phase| {
        let (steady, beside) = (
            phase.requests() - phase.requests_beside(),
            phase.requests_beside(),
        );
        let names = [
            sharing.to_string().into(),
            (connections as u64).into(),
            what.into(),
        ];
        let counts = [steady, beside, phase.failed(), phase.disturbances()];
        let cells = names.into_iter().chain(counts.map(Cell::from));
        outcome.tables[0].row(cells.chain(phase.quantiles()));
    };
    row("calm", &compared.calm);
    row("restarts", &compared.busy);
    let title = |what| format!("{what}, connections: {connections}, {sharing}");
    let lost = title("failed keep-alive requests");
    outcome
        .figures
        .push(Figure::lost(lost, compared.busy.failed()));
}

/// The steady load and the pausing one.
fn loads(
    cluster: &Cluster,
    connections: usize,
    duration: Duration,
) -> anyhow::Result<(RunningLoad, RunningLoad)> {
    let load = Load::new(cluster.address())
        .clients(connections)
        .keep_alive()
        .expect_body("Hello, World!")
        .traces(TRACES)
        .duration(duration);
    let steady = load.clone().rate(f64::from(RATE));
    let pausing = load.pause_up_to(PAUSE);
    Ok((steady.start()?, pausing.start()?))
}

const WORKERS: u32 = 4;
/// One, as many as the other scenarios have, and more than a restart can see off at once.
const CONNECTIONS: [usize; 3] = [1, 32, 500];
/// Requests a second.
const RATE: u32 = 2000;
/// Below the idle minimum of a rollout, 5 s.
const PAUSE: Duration = Duration::from_secs(4);
/// In seconds: soon enough that a short round sees a whole restart.
const SETTLE: &str = "0.2";
/// The log says so when a new worker has taken over.
const REPLACED: &str = " drains: its successor is ready";
