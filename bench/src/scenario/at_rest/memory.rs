//! What a worker needs more than the same program unmanaged.

use everport::Sharing;
use everport_load::Load;
use everport_tests::take_turn;

use super::WORKERS;
use crate::accounting::{Memory, memory};
use crate::statistics::Sample;
use crate::subject::{Subject, Unmanaged, cluster};
use crate::table::{Cell, Table};

/// Starts both, so many times for each way to share, and looks at them while both are there.
pub(super) fn table(sharings: &[Sharing], pairs: u32) -> anyhow::Result<Table> {
    let title =
        format!("Memory of {WORKERS} workers and of {WORKERS} unmanaged processes, {pairs} pairs");
    let mut table = Table::new(title, &COLUMNS);
    let with_none = |sharing: &Sharing| (*sharing, Vec::new());
    let mut measured: Vec<(Sharing, Vec<Pair>)> = sharings.iter().map(with_none).collect();
    for pair in 0..pairs {
        for (sharing, taken) in &mut measured {
            let _turn = take_turn();
            taken.push(Pair::take(*sharing, pair.is_multiple_of(2))?);
        }
    }
    for (sharing, pairs) in &measured {
        for measure in MEASURES {
            table.row(cells(*sharing, measure, pairs));
        }
    }
    Ok(table)
}

const COLUMNS: [&str; 6] = [
    "sharing",
    "memory",
    "unmanaged, KiB each",
    "worker, KiB each",
    "ratio",
    "all with the watcher to all unmanaged",
];

/// What one is called, and which of a process's memory it is.
type Measure = (&'static str, fn(&Memory) -> u64);

const MEASURES: [Measure; 3] = [
    ("RSS", |memory| memory.resident),
    ("PSS", |memory| memory.proportional),
    ("private", |memory| memory.private),
];

/// A cluster and the unmanaged processes beside it.
struct Pair {
    watcher: Memory,
    workers: Vec<Memory>,
    unmanaged: Vec<Memory>,
}

impl Pair {
    /// They have pages in common, so both are looked at when both are there.
    fn take(sharing: Sharing, cluster_first: bool) -> anyhow::Result<Self> {
        let start = || cluster(WORKERS, sharing, "");
        let first = cluster_first.then(start);
        let unmanaged = Unmanaged::start(WORKERS)?;
        let cluster = first.unwrap_or_else(start);
        for subject in [&cluster as &dyn Subject, &unmanaged] {
            let load = Load::new(subject.address()).one_shot().requests(REQUESTS);
            let report = load.start()?.wait();
            anyhow::ensure!(report.failed() == 0, "{report}");
        }
        let all = |pids: Vec<u32>| pids.into_iter().map(memory).collect::<Result<_, _>>();
        Ok(Self {
            watcher: memory(cluster.pid())?,
            workers: all(Subject::workers(&cluster))?,
            unmanaged: all(unmanaged.pids())?,
        })
    }
}

fn cells(sharing: Sharing, (name, of): Measure, pairs: &[Pair]) -> [Cell; 6] {
    let sum = |all: &[Memory]| all.iter().map(of).sum::<u64>() as f64;
    let each = |all: &[Memory]| sum(all) / all.len() as f64;
    let interval = |value: &dyn Fn(&Pair) -> f64, decimals| {
        let sample: Sample = pairs.iter().map(value).collect();
        Cell::Interval(sample.median_interval(), decimals)
    };
    [
        sharing.to_string().into(),
        name.into(),
        interval(&|pair| each(&pair.unmanaged), 0),
        interval(&|pair| each(&pair.workers), 0),
        interval(&|pair| each(&pair.workers) / each(&pair.unmanaged), 3),
        interval(
            &|pair| (of(&pair.watcher) as f64 + sum(&pair.workers)) / sum(&pair.unmanaged),
            3,
        ),
    ]
}

/// Enough to have touched what serving touches.
const REQUESTS: u64 = 500;
