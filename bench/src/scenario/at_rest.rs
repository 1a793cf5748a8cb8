//! What managing costs: a watcher at rest and under load, and workers beside unmanaged processes.

mod loaded;
mod memory;

use std::thread;
use std::time::Duration;

use everport::Sharing;
use everport_load::Load;
use everport_tests::{Cluster, open_descriptors, take_turn, threads};

use crate::accounting::{memory, processor_time, switches};
use crate::effort::Effort;
use crate::statistics::{Interval, millis};
use crate::subject::{SHARINGS, cluster};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

pub(crate) const NAME: &str = "at-rest";

/// Looks at a fresh watcher, and at one that has seen load and a restart: what these leave behind must
/// come to rest, too.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let seconds = effort.seconds(Duration::from_secs(10));
    let loaded = seconds / 2;
    let mut outcome = Outcome {
        scenario: NAME,
        method: format!(
            "{WORKERS} idle workers; memory from `smaps_rollup`; context switches of all the watcher's threads \
             over {seconds:?} of rest, which begin {COMES_TO_REST:?} after the last event. `used` has served \
             {REQUESTS} one-connection requests and been restarted once. Under load: the same cluster, {loaded:?} of \
             each kind. Workers and unmanaged processes are looked at when both are there and have served; either \
             was started first in turn."
        ),
        tables: vec![Table::new("At rest", &COLUMNS), loaded::table()],
        figures: Vec::new(),
        plots: Vec::new(),
        bars: Vec::new(),
    };
    let spans = Spans {
        // How soon it comes to rest is no matter where only that it works is to be shown.
        before: if effort.is_brief() {
            seconds
        } else {
            COMES_TO_REST
        },
        rest: seconds,
    };
    let sharings = if effort.is_brief() { 1 } else { SHARINGS.len() };
    for sharing in SHARINGS.into_iter().take(sharings) {
        let cluster = cluster(WORKERS, sharing, "--settle 0");
        look(&mut outcome, &cluster, sharing, "fresh", spans)?;
        use_it(&cluster)?;
        look(&mut outcome, &cluster, sharing, "used", spans)?;
        loaded::look(&mut outcome, &cluster, sharing, loaded)?;
    }
    let memory = memory::table(&SHARINGS[..sharings], effort.rounds(15))?;
    outcome.tables.push(memory);
    Ok(outcome)
}

const COLUMNS: [&str; 10] = [
    "sharing",
    "watcher",
    "RSS, KiB",
    "PSS, KiB",
    "private, KiB",
    "threads",
    "descriptors",
    "switches",
    "CPU, ms",
    "workers' switches",
];

/// For how long nothing is done to a cluster.
#[derive(Debug, Clone, Copy)]
struct Spans {
    /// Until it is looked at.
    before: Duration,
    /// While it is.
    rest: Duration,
}

fn look(
    outcome: &mut Outcome,
    cluster: &Cluster,
    sharing: Sharing,
    state: &str,
    spans: Spans,
) -> anyhow::Result<()> {
    thread::sleep(spans.before);
    let watcher = cluster.pid();
    let workers = || {
        cluster
            .workers()
            .into_iter()
            .map(|worker| switches(worker.pid))
    };
    let before: u64 = workers().sum::<anyhow::Result<u64>>()?;
    let (woken, worked) = (switches(watcher)?, processor_time(watcher)?);
    thread::sleep(spans.rest);
    let (woken, worked) = (
        switches(watcher)? - woken,
        processor_time(watcher)? - worked,
    );
    let after: u64 = workers().sum::<anyhow::Result<u64>>()?;
    let memory = memory(watcher)?;
    outcome.tables[0].row([
        sharing.to_string().into(),
        state.into(),
        memory.resident.into(),
        memory.proportional.into(),
        memory.private.into(),
        Cell::from(threads(watcher) as u64),
        Cell::from(open_descriptors(watcher) as u64),
        woken.into(),
        Cell::Number(millis(worked), 2),
        (after - before).into(),
    ]);
    let figure = |what: &str, limit, measured: u64, unit| Figure {
        what: format!("watcher with {WORKERS} idle workers, {sharing}, {state}: {what}"),
        limit: Limit::AtMost(limit),
        measured: Interval::exact(measured as f64),
        unit,
    };
    let rss = figure("RSS", 5.0 * 1024.0, memory.resident, "KiB");
    outcome.figures.push(rss);
    outcome
        .figures
        .push(figure("wake-ups", 0.0, woken, "switches"));
    Ok(())
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
