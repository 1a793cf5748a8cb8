//! What managing costs: a watcher at rest and under load, and workers beside unmanaged processes.

mod loaded;
mod memory;
mod watching;

use std::time::Duration;

use everport::Sharing;
use everport_load::Load;
use everport_tests::{Cluster, take_turn};

use crate::effort::Effort;
use crate::statistics::{Interval, Sample};
use crate::subject::{SHARINGS, cluster};
use crate::table::{Figure, Limit, Outcome};
use crate::turns::in_turn;
use loaded::{Keeping, Loaded};
use watching::Rest;

pub(crate) const NAME: &str = "at-rest";

/// Looks at fresh watchers, and at those that have seen load and a restart: what these leave behind must
/// come to rest, too.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let starts = effort.rounds(5);
    let pairs = effort.rounds(15);
    let spans = Spans::of(effort);
    let sharings = if effort.is_brief() { 1 } else { SHARINGS.len() };
    let sharings = &SHARINGS[..sharings];
    let mut all: Vec<Measured> = sharings.iter().map(|it| Measured::new(*it)).collect();
    in_turn(&mut all, starts, |measured| measured.start_once(spans))?;
    let mut outcome = Outcome::new(NAME, method(starts, spans), Vec::new());
    outcome.tables = vec![
        watching::table(&all),
        loaded::table(&all),
        memory::table(sharings, pairs)?,
    ];
    outcome.figures = all.iter().flat_map(figures).collect();
    Ok(outcome)
}

fn method(starts: u32, spans: Spans) -> String {
    let Spans { rest, loaded, .. } = spans;
    format!(
        "{starts} clusters of {WORKERS} idle workers for each way to share, one after the other, in turn; memory from \
         `smaps_rollup`: the median of the clusters with the least and the greatest [in brackets], and a figure is held if it \
         is held by each of them. Context switches of all the watcher's threads over {rest:?} of rest, which begin \
         {COMES_TO_REST:?} after the last event, and processor time: the sum of the clusters. `used` has served \
         {REQUESTS} one-connection requests and been restarted once. Under load: the same clusters, {loaded:?} of \
         each kind. Workers and unmanaged processes are looked at when both are there and have served; either \
         was started first in turn: medians of the pairs with their 95 % interval."
    )
}

/// For how long something is done, or nothing, to a cluster.
#[derive(Debug, Clone, Copy)]
struct Spans {
    /// Nothing, until it is looked at.
    before: Duration,
    /// Nothing, while it is.
    rest: Duration,
    /// Each kind of load.
    loaded: Duration,
}

impl Spans {
    fn of(effort: Effort) -> Self {
        let rest = effort.seconds(REST);
        Self {
            // How soon it comes to rest is no matter where only that it works is to be shown.
            before: if effort.is_brief() {
                rest
            } else {
                COMES_TO_REST
            },
            rest,
            loaded: rest / 4,
        }
    }
}

/// All clusters that share in one way.
struct Measured {
    sharing: Sharing,
    fresh: Vec<Rest>,
    used: Vec<Rest>,
    loaded: [Vec<Loaded>; 2],
}

impl Measured {
    fn new(sharing: Sharing) -> Self {
        Self {
            sharing,
            fresh: Vec::new(),
            used: Vec::new(),
            loaded: Default::default(),
        }
    }

    /// Has one cluster rest, work, rest again, and work.
    fn start_once(&mut self, spans: Spans) -> anyhow::Result<()> {
        let cluster = cluster(WORKERS, self.sharing, "--settle 0");
        self.fresh.push(Rest::look(&cluster, spans)?);
        use_it(&cluster)?;
        self.used.push(Rest::look(&cluster, spans)?);
        for (kind, rounds) in Keeping::ALL.into_iter().zip(&mut self.loaded) {
            rounds.push(Loaded::look(&cluster, kind, spans.loaded)?);
        }
        Ok(())
    }

    fn rests(&self) -> [(&'static str, &[Rest]); 2] {
        [("fresh", &self.fresh), ("used", &self.used)]
    }
}

fn figures(measured: &Measured) -> Vec<Figure> {
    let sharing = measured.sharing;
    let mut figures = Vec::new();
    for (state, rests) in measured.rests() {
        let figure = |what: &str, limit, measured, unit| Figure {
            what: format!("watcher with {WORKERS} idle workers, {sharing}, {state}: {what}"),
            limit: Limit::AtMost(limit),
            measured,
            unit,
        };
        let resident = rests.iter().map(|rest| rest.memory.resident as f64);
        let resident = resident.collect::<Sample>().range();
        let woken: u64 = rests.iter().map(|rest| rest.switches).sum();
        figures.extend([
            figure("RSS", 5.0 * 1024.0, resident, "KiB"),
            figure("wake-ups", 0.0, Interval::exact(woken as f64), "switches"),
        ]);
    }
    for (kind, rounds) in Keeping::ALL.into_iter().zip(&measured.loaded) {
        let what = format!("failed requests under a constant rate, {sharing}, {kind}");
        let failed = rounds.iter().map(|round| round.failed).sum();
        figures.push(Figure::lost(what, failed));
    }
    figures
}

fn use_it(cluster: &Cluster) -> anyhow::Result<()> {
    let target = cluster.address();
    let _turn = take_turn();
    let report = Load::new(target)
        .one_shot()
        .requests(REQUESTS)
        .start()?
        .wait();
    anyhow::ensure!(report.failed() == 0, "{report}");
    cluster.restart();
    Ok(())
}

const WORKERS: u32 = 4;
/// Enough to have touched everything that serving touches.
const REQUESTS: u64 = 5000;
/// The watcher's beat under traffic ends 2 s after the last accept, and connections that keep a drained
/// slot's port open 3 s after the last connection.
const COMES_TO_REST: Duration = Duration::from_secs(5);
/// As long as several starts of each way to share leave time for.
const REST: Duration = Duration::from_secs(4);
