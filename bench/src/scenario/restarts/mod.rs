//! What one-connection requests lose under rolling restarts, and how long they take.

mod starter;
mod telling;
mod way;

use std::time::Duration;

use everport::Sharing;
use everport_load::RunningLoad;
use everport_tests::{Cluster, take_turn};

use crate::effort::Effort;
use crate::phase::{Comparison, Phase, Round};
use crate::plot::Plot;
use crate::steady::steady;
use crate::subject::lossless_cluster;
use crate::table::{Outcome, Table};
use crate::turns::in_turn;
use starter::Starter;
use way::{WAYS, Way};

pub(crate) const NAME: &str = "restarts";

/// Compares calm and restarts for each way to restart and each way to share.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(16);
    let method = method(rounds, effort);
    let mut outcome = Outcome::new(NAME, method, vec![Table::new("", &telling::COLUMNS)]);
    let mut failures = Table::new("Failures", &["restarts", "sharing", "failure", "requests"]);
    let mut ratios = Table::new("Restarts, against reuseport", &telling::RATIO_COLUMNS);
    for way in WAYS {
        let all = measure(way, rounds, effort.seconds(way.length()))?;
        for measured in &all {
            measured.tell(&mut outcome);
            measured.tell_failures(&mut failures);
            measured.tell_ratio_to(&all[0], &mut ratios);
        }
        if way == Way::Endless {
            outcome.tables.push(telling::of_unrelated(&all));
        }
        outcome.plots.push(plot(way, &all));
    }
    outcome.tables.push(ratios);
    outcome.add_unless_empty(failures);
    Ok(outcome)
}

fn method(rounds: u32, effort: Effort) -> String {
    format!(
        "{CLIENTS} clients, one connection per request, {RATE} requests a second, nothing retried; latency \
         from each request's intended start. {WORKERS} workers, {rounds} rounds of {:?} without and \
         as long with rolling restarts, in turn, and every way to share in each round. They serve by \
         `everport::http`. *Every 2 s* a restart begins, without settling; *settle 1 s* is \
         the default, one restart after the other; *one after the other* is the same without settling, {:?} at a time: \
         it shows what is lost in thousands of replacements. Its p99.9 measures what starting programs on every core \
         without end does to their neighbours, and no limit is set to it. *Unrelated starts* are the same cluster in calm, \
         beside a process that starts and ends the same program, unmanaged and on other ports, as often as the restarts next \
         to it did: what requests wait for there has nothing to do with the cluster. Quantiles are of answered requests: the median of \
         the rounds with their quartiles; max: of all rounds; ratios: within a round, with their 95 % interval. Generator and cluster \
         share the machine.",
        effort.seconds(Way::EveryTwoSeconds.length()),
        effort.seconds(Way::Endless.length())
    )
}

/// A cluster for each way to share; all but one are idle at any time.
fn measure(way: Way, rounds: u32, length: Duration) -> anyhow::Result<Vec<Measured>> {
    let sharings = way.sharings().iter();
    let mut all: Vec<Measured> = sharings
        .map(|sharing| Measured::start(way, *sharing))
        .collect();
    in_turn(&mut all, rounds, |measured| measured.take_round(length))?;
    Ok(all)
}

/// A way to restart a cluster that shares in one way.
struct Measured {
    way: Way,
    sharing: Sharing,
    cluster: Cluster,
    compared: Comparison,
    /// In calm, beside starts of programs that have nothing to do with it. Only where restarts have no end.
    unrelated: Phase,
}

impl Measured {
    fn start(way: Way, sharing: Sharing) -> Self {
        Self {
            way,
            sharing,
            cluster: lossless_cluster(WORKERS, sharing, way.settle()),
            compared: Comparison::default(),
            unrelated: Phase::default(),
        }
    }

    /// The starts of unrelated programs are as many as those of the restarts next to them, before or after.
    fn take_round(&mut self, length: Duration) -> anyhow::Result<()> {
        let is_beside = self.way == Way::Endless;
        let after_restarts = self.compared.calm.rounds.len().is_multiple_of(2);
        if is_beside && !after_restarts {
            self.take_unrelated(length)?;
        }
        let Self {
            way,
            cluster,
            compared,
            ..
        } = self;
        let calm = || Ok(Round::calm(load(cluster, length)?, length));
        compared.take_round(calm, || restarts(*way, cluster, length))?;
        if is_beside && after_restarts {
            self.take_unrelated(length)?;
        }
        Ok(())
    }

    fn take_unrelated(&mut self, length: Duration) -> anyhow::Result<()> {
        let restarts = self.compared.busy.rounds.last();
        let rate = restarts.map_or(0.0, Round::marks_a_second);
        let _turn = take_turn();
        let starter = Starter::prepare(rate, length)?;
        let load = load(&self.cluster, length)?;
        let started = starter.run()?;
        self.unrelated
            .rounds
            .push(Round::busy(load, length, started, []));
        Ok(())
    }
}

fn restarts(way: Way, cluster: &Cluster, length: Duration) -> anyhow::Result<Round> {
    let position = cluster.log().position();
    let load = load(cluster, length)?;
    let begin = load.begin();
    let restarts = way.restart(cluster, begin, begin + length);
    let replaced = cluster.log().arrivals_since(position, REPLACED);
    let marks = replaced.into_iter().map(|at| (at, at));
    Ok(Round::busy(load, length, restarts, marks))
}

fn plot(way: Way, all: &[Measured]) -> Plot {
    let row = |measured: &Measured| {
        let sharing = measured.sharing.to_string();
        measured.compared.row(&sharing, "rolling restarts")
    };
    Plot {
        name: way.slug().to_owned(),
        title: format!(
            "Rolling restarts {}: {RATE} requests a second, one connection each",
            way.name()
        ),
        marks: "worker replaced",
        limit: None,
        rows: all.iter().map(row).collect(),
    }
}

fn load(cluster: &Cluster, duration: Duration) -> anyhow::Result<RunningLoad> {
    let load = steady(cluster.address(), CLIENTS, RATE).duration(duration);
    Ok(load.start()?)
}

/// As many as the figures' watcher at rest has.
const WORKERS: u32 = 4;
/// More than are ever busy at this rate, so that a stall finds clients to delay.
const CLIENTS: usize = 32;
/// Requests a second: well below what two cores can serve, so that a queue comes only from restarts.
const RATE: u32 = 1000;
/// The log says so when a new worker has taken over.
const REPLACED: &str = " drains: its successor is ready";
