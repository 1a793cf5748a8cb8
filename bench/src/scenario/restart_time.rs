//! How long a rolling restart takes, against the program's own start.

use std::time::{Duration, Instant};

use everport::Sharing;
use everport_tests::{Cluster, take_turn};
use rustix::process::Signal;

use crate::effort::Effort;
use crate::statistics::{Sample, millis};
use crate::subject::{SHARINGS, cluster, own_start};
use crate::table::{Cell, Figure, Limit, Outcome, Table};
use crate::turns::in_turn;

pub(crate) const NAME: &str = "restart-time";

/// Restarts idle clusters of several sizes, which share in every way, in turn with starts of the bare program.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(20);
    let mut measured: Vec<Measured> = Vec::new();
    for workers in sizes(effort) {
        measured.extend(SHARINGS.map(|sharing| Measured::start(*workers, sharing)));
    }
    in_turn(&mut measured, rounds, |size| {
        let _turn = take_turn();
        size.measure()
    })?;
    let mut table = Table::new("", &COLUMNS);
    let mut ratios = Table::new("Against reuseport", &["workers", "sharing", "restart"]);
    let mut outcome = Outcome::new(NAME, method(rounds), Vec::new());
    for of_size in measured.chunks(SHARINGS.len()) {
        for one in of_size {
            table.row(one.cells());
            outcome.figures.push(one.figure());
        }
        for other in &of_size[1..] {
            ratios.row(other.ratio_to(&of_size[0]));
        }
    }
    outcome.tables.extend([table, ratios]);
    Ok(outcome)
}

fn method(rounds: u32) -> String {
    format!(
        "Idle clusters with `--settle 0`, {rounds} restarts each, in turn. A restart runs from `SIGUSR1` to \
         the log line that says it has finished. The own start runs from the spawn of the same program \
         unmanaged to its first answer over HTTP; the mean of one before and one after each restart. \
         Medians with their 95 % interval; ratios within a round."
    )
}

const COLUMNS: [&str; 7] = [
    "workers",
    "sharing",
    "rolling restart, ms",
    "per worker, ms",
    "own start, ms",
    "more per worker, ms",
    "most, ms",
];

struct Measured {
    workers: u32,
    sharing: Sharing,
    cluster: Cluster,
    restarts: Vec<f64>,
    starts: Vec<f64>,
}

impl Measured {
    fn start(workers: u32, sharing: Sharing) -> Self {
        Self {
            workers,
            sharing,
            cluster: cluster(workers, sharing, "--settle 0"),
            restarts: Vec::new(),
            starts: Vec::new(),
        }
    }

    fn measure(&mut self) -> anyhow::Result<()> {
        let before = own_start()?;
        let restart = restart(&self.cluster);
        let after = own_start()?;
        self.restarts.push(millis(restart));
        self.starts.push(millis((before + after) / 2));
        Ok(())
    }

    fn per_worker(&self) -> impl Iterator<Item = f64> {
        self.restarts
            .iter()
            .map(|restart| restart / f64::from(self.workers))
    }

    /// What a restart takes for each worker beyond the program's own start.
    fn surplus(&self) -> Sample {
        let pairs = self.per_worker().zip(&self.starts);
        pairs.map(|(restart, start)| restart - start).collect()
    }

    fn name(&self) -> [Cell; 2] {
        [
            u64::from(self.workers).into(),
            self.sharing.to_string().into(),
        ]
    }

    fn cells(&self) -> impl Iterator<Item = Cell> {
        let interval = |sample: Sample| Cell::Interval(sample.median_interval(), 2);
        self.name().into_iter().chain([
            interval(self.restarts.iter().copied().collect()),
            interval(self.per_worker().collect()),
            interval(self.starts.iter().copied().collect()),
            interval(self.surplus()),
            Cell::Number(self.surplus().max(), 2),
        ])
    }

    fn ratio_to(&self, other: &Self) -> impl Iterator<Item = Cell> {
        let [of, to] = [self, other].map(|it| it.restarts.iter().copied());
        let ratio = Sample::ratios(of, to).median_interval();
        self.name().into_iter().chain([Cell::Interval(ratio, 2)])
    }

    fn figure(&self) -> Figure {
        let Self {
            workers, sharing, ..
        } = self;
        Figure {
            what: format!(
                "rolling restart of {workers}, {sharing}: per worker beyond its own start"
            ),
            limit: Limit::AtMost(5.0),
            measured: self.surplus().median_interval(),
            unit: "ms",
        }
    }
}

fn restart(cluster: &Cluster) -> Duration {
    let position = cluster.log().position();
    let begin = Instant::now();
    cluster.signal(Signal::USR1);
    let finished = cluster.log().arrival_after(position, " finished in ");
    finished.duration_since(begin)
}

/// One; as many as the other scenarios have; more than there are cores; many more.
fn sizes(effort: Effort) -> &'static [u32] {
    if effort.is_brief() {
        &[1, 2]
    } else {
        &[1, 4, 16, 100]
    }
}
