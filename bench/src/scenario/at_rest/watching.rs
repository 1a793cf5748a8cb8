//! What a watcher needs while nothing happens.

use std::thread;
use std::time::Duration;

use everport_tests::{Cluster, open_descriptors, threads};

use super::{Measured, Spans};
use crate::accounting::{Memory, memory, processor_time, switches};
use crate::statistics::{Sample, millis};
use crate::table::{Cell, Table};

/// One watcher at rest.
pub(super) struct Rest {
    pub(super) memory: Memory,
    threads: u64,
    descriptors: u64,
    /// How often its threads were switched away from while it was looked at.
    pub(super) switches: u64,
    processor_time: Duration,
    /// How often its workers' were.
    workers_switches: u64,
}

impl Rest {
    /// Leaves a cluster alone, then looks whether it does anything.
    pub(super) fn look(cluster: &Cluster, spans: Spans) -> anyhow::Result<Self> {
        thread::sleep(spans.before);
        let watcher = cluster.pid();
        let workers: Vec<u32> = cluster.workers().iter().map(|worker| worker.pid).collect();
        let of_workers = || {
            workers
                .iter()
                .map(|pid| switches(*pid))
                .sum::<anyhow::Result<u64>>()
        };
        let before = of_workers()?;
        let (woken, worked) = (switches(watcher)?, processor_time(watcher)?);
        thread::sleep(spans.rest);
        Ok(Self {
            switches: switches(watcher)? - woken,
            processor_time: processor_time(watcher)? - worked,
            workers_switches: of_workers()? - before,
            memory: memory(watcher)?,
            threads: threads(watcher) as u64,
            descriptors: open_descriptors(watcher) as u64,
        })
    }
}

/// A row for each way to share and each state.
pub(super) fn table(all: &[Measured]) -> Table {
    let mut table = Table::new("At rest", &COLUMNS);
    for measured in all {
        for (state, rests) in measured.rests() {
            let names = [measured.sharing.to_string().into(), state.into()];
            table.row(names.into_iter().chain(cells(rests)));
        }
    }
    table
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

fn cells(rests: &[Rest]) -> [Cell; 8] {
    let range = |of: fn(&Rest) -> u64| {
        let sample: Sample = rests.iter().map(|rest| of(rest) as f64).collect();
        Cell::Interval(sample.range(), 0)
    };
    let most = |of: fn(&Rest) -> u64| Cell::from(rests.iter().map(of).max().unwrap_or_default());
    let sum = |of: fn(&Rest) -> u64| Cell::from(rests.iter().map(of).sum::<u64>());
    let worked: Duration = rests.iter().map(|rest| rest.processor_time).sum();
    [
        range(|rest| rest.memory.resident),
        range(|rest| rest.memory.proportional),
        range(|rest| rest.memory.private),
        most(|rest| rest.threads),
        most(|rest| rest.descriptors),
        sum(|rest| rest.switches),
        Cell::Number(millis(worked), 2),
        sum(|rest| rest.workers_switches),
    ]
}
