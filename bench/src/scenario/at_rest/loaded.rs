//! What a watcher needs while its workers serve.

use std::time::Duration;

use everport::Sharing;
use everport_load::{Load, RunningLoad};
use everport_tests::{Cluster, take_turn};

use super::WORKERS;
use crate::accounting::{memory, processor_time, switches};
use crate::statistics::millis;
use crate::table::{Cell, Figure, Outcome, Table};

pub(super) fn table() -> Table {
    let title = format!("The watcher under {RATE} requests a second");
    Table::new(title, &COLUMNS)
}

const COLUMNS: [&str; 8] = [
    "sharing",
    "requests",
    "sent",
    "watcher's CPU, ms/s",
    "switches/s",
    "RSS, KiB",
    "workers' CPU, ms/s",
    "failed",
];

/// Puts both kinds of load on the cluster, one after the other.
pub(super) fn look(
    outcome: &mut Outcome,
    cluster: &Cluster,
    sharing: Sharing,
    seconds: Duration,
) -> anyhow::Result<()> {
    for (name, keeps) in [("one connection each", false), ("keep-alive", true)] {
        let _turn = take_turn();
        let before = Used::look(cluster)?;
        let report = load(cluster, keeps, seconds)?.wait();
        let used = Used::look(cluster)?.since(before);
        let per_second = |value: f64| Cell::Number(value / report.elapsed.as_secs_f64(), 2);
        outcome.tables[1].row([
            sharing.to_string().into(),
            name.into(),
            report.total.into(),
            per_second(millis(used.watcher)),
            per_second(used.switches as f64),
            memory(cluster.pid())?.resident.into(),
            per_second(millis(used.workers)),
            report.failed().into(),
        ]);
        let what = format!("failed requests under a constant rate, {sharing}, {name}");
        outcome.figures.push(Figure::lost(what, report.failed()));
    }
    Ok(())
}

/// What was used so far.
#[derive(Debug, Clone, Copy)]
struct Used {
    watcher: Duration,
    switches: u64,
    workers: Duration,
}

impl Used {
    fn look(cluster: &Cluster) -> anyhow::Result<Self> {
        let workers = cluster.workers().into_iter();
        Ok(Self {
            watcher: processor_time(cluster.pid())?,
            switches: switches(cluster.pid())?,
            workers: workers
                .map(|it| processor_time(it.pid))
                .sum::<Result<_, _>>()?,
        })
    }

    fn since(self, before: Self) -> Self {
        Self {
            watcher: self.watcher - before.watcher,
            switches: self.switches - before.switches,
            workers: self.workers - before.workers,
        }
    }
}

fn load(cluster: &Cluster, keeps: bool, seconds: Duration) -> anyhow::Result<RunningLoad> {
    let load = Load::new(cluster.address())
        .clients(8 * WORKERS as usize)
        .rate(RATE)
        .expect_body("Hello, World!")
        .duration(seconds);
    let load = if keeps {
        load.keep_alive()
    } else {
        load.one_shot()
    };
    Ok(load.start()?)
}

/// What leaves two cores much to spare.
const RATE: u32 = 2000;
