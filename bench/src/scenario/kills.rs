//! What is lost when workers are killed while they serve.

use std::thread;
use std::time::{Duration, Instant};

use everport::Sharing;
use everport_load::RunningLoad;
use everport_tests::{Cluster, WorkerSeen, stop_and_count};
use rustix::process::Signal;

use crate::effort::Effort;
use crate::phase::{Comparison, Phase, Round};
use crate::plot::Plot;
use crate::steady::steady;
use crate::subject::{SHARINGS, lossless_cluster};
use crate::table::{Cell, Figure, Outcome, Table};
use crate::turns::in_turn;

pub(crate) const NAME: &str = "kills";

/// Compares calm with kills of one worker and with kills of all, for each way to share.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(2);
    let seconds = effort.seconds(Duration::from_secs(10));
    let method = format!(
        "{WORKERS} workers; {CLIENTS} clients, one connection per request, {RATE} requests a second, each of which \
         keeps its worker busy for {WORK} ms, so that there is always something that is served or queued. {rounds} \
         rounds of {seconds:?} calm and {seconds:?} with {KILLS} kills, in turn, and every way to share in each round. They serve by `everport::http`. A victim is stopped for as long as \
         it takes to count the connections it has accepted (*served*), then killed by `SIGKILL`. Half-way to the \
         next kill a rolling restart forgives the slots, so that each kill meets healthy workers. Quantiles are of answered \
         requests: the median of the rounds with their quartiles; max: of all rounds."
    );
    let mut outcome = Outcome::new(NAME, method, vec![Table::new("", &COLUMNS)]);
    let mut failures = Table::new("Failures", &["killed", "sharing", "failure", "requests"]);
    for victims in [1, WORKERS] {
        let killed = name(victims);
        let mut rows = Vec::new();
        let mut all = SHARINGS.map(|sharing| Measured::start(victims, sharing));
        in_turn(&mut all, rounds, |measured| measured.take_round(seconds))?;
        for measured in &all {
            measured.tell(&mut outcome);
            let sharing = measured.sharing.to_string();
            let names = [killed.into(), sharing.clone().into()];
            measured.compared.busy.tell_failures(&names, &mut failures);
            rows.push(
                measured
                    .compared
                    .row(&sharing, &format!("kill -9 of {killed}")),
            );
        }
        outcome.plots.push(Plot {
            name: killed.to_owned(),
            title: format!(
                "kill -9 of {killed} of {WORKERS} workers: {RATE} requests a second, {WORK} ms of work each"
            ),
            marks: "kill",
            limit: None,
            rows,
        });
    }
    outcome.add_unless_empty(failures);
    Ok(outcome)
}

const COLUMNS: [&str; 11] = [
    "killed",
    "sharing",
    "phase",
    "requests",
    "kills",
    "served",
    "failed",
    "p50, ms",
    "p99, ms",
    "p99.9, ms",
    "max, ms",
];

/// All rounds of one number of victims and one way to share.
struct Measured {
    victims: u32,
    sharing: Sharing,
    cluster: Cluster,
    compared: Comparison,
    losses: Losses,
}

/// One kill, and how many connections its victims were serving.
#[derive(Debug, Clone, Copy)]
struct Kill {
    at: Instant,
    served: u64,
}

/// What the kills of a round, or of all, may cost and what they cost beyond that.
#[derive(Debug, Clone, Copy, Default)]
struct Losses {
    served: u64,
    beyond: u64,
}

impl Measured {
    /// With a cluster of its own, which is idle while others have their turns.
    fn start(victims: u32, sharing: Sharing) -> Self {
        Self {
            victims,
            sharing,
            cluster: lossless_cluster(WORKERS, sharing, "--settle 0"),
            compared: Comparison::default(),
            losses: Losses::default(),
        }
    }

    fn take_round(&mut self, seconds: Duration) -> anyhow::Result<()> {
        let Self {
            victims,
            cluster,
            compared,
            losses,
            ..
        } = self;
        let calm = || Ok(Round::calm(load(cluster, seconds)?, seconds));
        let busy = || {
            let (round, of_round) = kill_again_and_again(cluster, *victims, seconds)?;
            losses.served += of_round.served;
            losses.beyond += of_round.beyond;
            Ok(round)
        };
        compared.take_round(calm, busy)
    }

    fn tell(&self, outcome: &mut Outcome) {
        let Self {
            sharing,
            compared,
            losses,
            ..
        } = self;
        let killed = name(self.victims);
        let mut row = |what: &str, phase: &Phase, served: u64| {
            let names = [killed.to_owned(), sharing.to_string(), what.to_owned()];
            let counts = [
                phase.requests(),
                phase.disturbances(),
                served,
                phase.failed(),
            ];
            let cells = names
                .into_iter()
                .map(Cell::from)
                .chain(counts.map(Cell::from));
            outcome.tables[0].row(cells.chain(phase.quantiles()));
        };
        row("calm", &compared.calm, 0);
        row("kills", &compared.busy, losses.served);
        let what = format!("failed beyond what was being served, kill -9 of {killed}, {sharing}");
        outcome.figures.push(Figure::lost(what, losses.beyond));
    }
}

/// One round, and what its kills cost.
fn kill_again_and_again(
    cluster: &Cluster,
    victims: u32,
    seconds: Duration,
) -> anyhow::Result<(Round, Losses)> {
    let load = load(cluster, seconds)?;
    let begin = load.begin();
    let interval = seconds / KILLS;
    let mut kills = Vec::new();
    for number in 0..KILLS {
        let at = begin + interval * number + interval / 4;
        thread::sleep(at.saturating_duration_since(Instant::now()));
        let chosen = choose(cluster, victims, number);
        kills.push(kill(cluster, &chosen)?);
        let forgiven = at + interval / 2;
        thread::sleep(forgiven.saturating_duration_since(Instant::now()));
        cluster.restart();
    }
    let marks: Vec<_> = kills.iter().map(|kill| (kill.at, kill.at)).collect();
    let round = Round::busy(load, seconds, u64::from(KILLS), marks);
    let beyond = failed_beyond(&kills, &round, begin);
    let served = kills.iter().map(|kill| kill.served).sum();
    Ok((round, Losses { served, beyond }))
}

/// One slot after the other, or all; none that drains already.
fn choose(cluster: &Cluster, victims: u32, number: u32) -> Vec<WorkerSeen> {
    let workers = cluster.workers();
    let newest = workers.iter().map(|worker| worker.generation).max();
    let is_chosen = |worker: &WorkerSeen| {
        Some(worker.generation) == newest && (victims == WORKERS || worker.slot == number % WORKERS)
    };
    workers.into_iter().filter(is_chosen).collect()
}

/// Kills the victims at once, and waits until their successors are ready.
fn kill(cluster: &Cluster, victims: &[WorkerSeen]) -> anyhow::Result<Kill> {
    let ready = cluster.log().matching(READY).len();
    let at = Instant::now();
    let mut served = 0;
    for victim in victims {
        served += stop_and_count(*victim)?;
    }
    for victim in victims {
        victim.signal(Signal::KILL);
    }
    cluster.log().wait_for_many(ready + victims.len(), READY);
    Ok(Kill { at, served })
}

/// How many requests failed, kill by kill, beyond what its victims were serving. A failure belongs to the
/// last kill before it; one before the first kill has no excuse.
fn failed_beyond(kills: &[Kill], round: &Round, begin: Instant) -> u64 {
    let mut failed = vec![0_u64; kills.len() + 1];
    for trace in round.report.traces.iter().filter(|trace| trace.failed) {
        let end = begin + trace.intended + trace.latency;
        failed[kills.partition_point(|kill| kill.at <= end)] += 1;
    }
    let served = [0].into_iter().chain(kills.iter().map(|kill| kill.served));
    failed
        .iter()
        .zip(served)
        .map(|(failed, served)| failed.saturating_sub(served))
        .sum()
}

fn name(victims: u32) -> &'static str {
    if victims == 1 { "one" } else { "all" }
}

fn load(cluster: &Cluster, duration: Duration) -> anyhow::Result<RunningLoad> {
    let load = steady(cluster.address(), CLIENTS, RATE)
        .path(format!("/block/{WORK}"))
        .duration(duration);
    Ok(load.start()?)
}

const WORKERS: u32 = 4;
/// Enough to go on when many of them wait.
const CLIENTS: usize = 128;
/// Requests a second.
const RATE: u32 = 500;
/// How many milliseconds a request keeps its worker from doing anything else. Four workers are half busy.
const WORK: u32 = 4;
/// How many kills there are in a round.
const KILLS: u32 = 5;
const READY: &str = "is ready after";
