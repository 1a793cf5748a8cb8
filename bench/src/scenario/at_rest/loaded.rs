//! What a watcher needs while its workers serve.

use std::fmt;
use std::time::Duration;

use everport_load::{Load, RunningLoad};
use everport_tests::{Cluster, take_turn};

use super::{Measured, WORKERS};
use crate::accounting::{memory, processor_time, switches};
use crate::statistics::{Sample, millis};
use crate::table::{Cell, Table};

/// How clients connect under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keeping {
    OneEach,
    KeepAlive,
}

impl Keeping {
    pub(super) const ALL: [Self; 2] = [Self::OneEach, Self::KeepAlive];
}

impl fmt::Display for Keeping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::OneEach => "one connection each",
            Self::KeepAlive => "keep-alive",
        })
    }
}

/// One cluster under one kind of load: what was used a second.
pub(super) struct Loaded {
    requests: u64,
    pub(super) failed: u64,
    /// Milliseconds of processor time.
    watcher: f64,
    switches: f64,
    /// The watcher's, afterwards.
    resident: f64,
    /// Milliseconds of processor time.
    workers: f64,
}

impl Loaded {
    pub(super) fn look(
        cluster: &Cluster,
        keeping: Keeping,
        length: Duration,
    ) -> anyhow::Result<Self> {
        let _turn = take_turn();
        let before = Used::look(cluster)?;
        let report = load(cluster, keeping, length)?.wait();
        let used = Used::look(cluster)?.since(before);
        let seconds = report.elapsed.as_secs_f64();
        Ok(Self {
            requests: report.total,
            failed: report.failed(),
            watcher: millis(used.watcher) / seconds,
            switches: used.switches as f64 / seconds,
            resident: memory(cluster.pid())?.resident as f64,
            workers: millis(used.workers) / seconds,
        })
    }
}

/// A row for each way to share and each kind of load.
pub(super) fn table(all: &[Measured]) -> Table {
    let title = format!("The watcher under {RATE} requests a second");
    let mut table = Table::new(title, &COLUMNS);
    for measured in all {
        for (keeping, rounds) in Keeping::ALL.into_iter().zip(&measured.loaded) {
            let range = |of: fn(&Loaded) -> f64, decimals| {
                Cell::Interval(rounds.iter().map(of).collect::<Sample>().range(), decimals)
            };
            let sum = |of: fn(&Loaded) -> u64| Cell::from(rounds.iter().map(of).sum::<u64>());
            table.row([
                measured.sharing.to_string().into(),
                keeping.to_string().into(),
                sum(|round| round.requests),
                range(|round| round.watcher, 2),
                range(|round| round.switches, 0),
                range(|round| round.resident, 0),
                range(|round| round.workers, 1),
                sum(|round| round.failed),
            ]);
        }
    }
    table
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

fn load(cluster: &Cluster, keeping: Keeping, length: Duration) -> anyhow::Result<RunningLoad> {
    let load = Load::new(cluster.address())
        .clients(8 * WORKERS as usize)
        .rate(RATE)
        .expect_body("Hello, World!")
        .duration(length);
    let load = match keeping {
        Keeping::KeepAlive => load.keep_alive(),
        Keeping::OneEach => load.one_shot(),
    };
    Ok(load.start()?)
}

/// What leaves two cores much to spare.
const RATE: u32 = 2000;
