//! How long a rolling restart takes, against the program's own start.

use std::time::{Duration, Instant};

use everport::Sharing;
use everport_tests::{Cluster, take_turn};
use rustix::process::Signal;

use crate::effort::Effort;
use crate::statistics::{Sample, millis};
use crate::subject::{cluster, own_start};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

pub(crate) const NAME: &str = "restart-time";

/// Restarts idle clusters of several sizes in turn with starts of the bare program.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(20);
    let sizes = sizes(effort).iter();
    let mut measured: Vec<Measured> = sizes.map(|workers| Measured::start(*workers)).collect();
    for _ in 0..rounds {
        let _turn = take_turn();
        for size in &mut measured {
            size.measure()?;
        }
    }
    let mut table = Table::new(
        "",
        &[
            "workers",
            "rolling restart, ms",
            "per worker, ms",
            "own start, ms",
            "more per worker, ms",
            "most, ms",
        ],
    );
    let mut figures = Vec::new();
    for size in &measured {
        table.row(size.cells());
        figures.push(Figure {
            what: format!(
                "rolling restart of {}: per worker beyond its own start",
                size.workers
            ),
            limit: Limit::AtMost(5.0),
            measured: size.surplus().median_interval(),
            unit: "ms",
        });
    }
    Ok(Outcome {
        scenario: NAME,
        method: format!(
            "Idle clusters with `--settle 0`, {rounds} restarts each, in turn. A restart runs from `SIGUSR1` to \
             the log line that says it has finished. The own start runs from the spawn of the same program \
             unmanaged to its first answer over HTTP; the mean of one before and one after each restart. \
             Medians with their 95 % interval."
        ),
        tables: vec![table],
        figures,
        plots: Vec::new(),
        bars: Vec::new(),
    })
}

struct Measured {
    workers: u32,
    cluster: Cluster,
    restarts: Vec<f64>,
    starts: Vec<f64>,
}

impl Measured {
    fn start(workers: u32) -> Self {
        Self {
            workers,
            cluster: cluster(workers, Sharing::DEFAULT, "--settle 0"),
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

    fn cells(&self) -> [Cell; 6] {
        let interval = |sample: Sample| Cell::Interval(sample.median_interval(), 2);
        [
            u64::from(self.workers).into(),
            interval(self.restarts.iter().copied().collect()),
            interval(self.per_worker().collect()),
            interval(self.starts.iter().copied().collect()),
            interval(self.surplus()),
            Cell::Number(self.surplus().max(), 2),
        ]
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
