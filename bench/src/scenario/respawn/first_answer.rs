//! From the death of the only worker to the first answer of its replacement.

use std::time::{Duration, Instant};

use anyhow::Context;
use everport::Sharing;
use everport_tests::{Cluster, take_turn, wait_until};
use rustix::process::Signal;

use crate::ask::answers;
use crate::statistics::{Sample, millis};
use crate::subject::{cluster, own_start};
use crate::table::{Cell, Figure, Table};

/// Pairs of a kill and a bare start, neither always first.
#[derive(Debug, Default)]
pub(super) struct FirstAnswer {
    /// In milliseconds.
    replaced: Vec<f64>,
    bare: Vec<f64>,
    lost: u64,
}

impl FirstAnswer {
    pub(super) fn take(pairs: u32) -> anyhow::Result<Self> {
        let mut times = Self::default();
        // It serves as the bare one does: nothing is to differ but the management.
        let cluster = cluster(1, Sharing::DEFAULT, "--settle 0");
        for pair in 0..pairs {
            let _turn = take_turn();
            let (replaced, bare) = if pair.is_multiple_of(2) {
                let bare = own_start()?;
                (kill(&cluster)?, bare)
            } else {
                (kill(&cluster)?, own_start()?)
            };
            times.add(replaced, bare);
        }
        Ok(times)
    }

    /// A lost request has no time, and nothing to be compared with.
    fn add(&mut self, replaced: Option<Duration>, bare: Duration) {
        match replaced {
            Some(replaced) => {
                self.replaced.push(millis(replaced));
                self.bare.push(millis(bare));
            }
            None => self.lost += 1,
        }
    }

    pub(super) fn table(&self) -> Table {
        let mut table = Table::new("To the first answer, one worker", &COLUMNS);
        let quantiles = |name: &str, times: &[f64]| {
            let sample: Sample = times.iter().copied().collect();
            let median = Cell::Interval(sample.median_interval(), 2);
            let others = [0.99, 1.0].map(|share| Cell::Number(sample.quantile(share), 2));
            [name.into(), median].into_iter().chain(others)
        };
        table.row(quantiles("kill -9 to the replacement's", &self.replaced));
        table.row(quantiles(
            "bare start of the same program to its",
            &self.bare,
        ));
        let pairs = || self.replaced.iter().zip(&self.bare);
        let more: Vec<f64> = pairs().map(|(replaced, bare)| replaced - bare).collect();
        table.row(quantiles("difference of each pair", &more));
        let ratios: Sample = pairs().map(|(replaced, bare)| replaced / bare).collect();
        let ratio = Cell::Interval(ratios.median_interval(), 2);
        table.row(["ratio of each pair".into(), ratio, "".into(), "".into()]);
        table
    }

    /// Nobody was being served, so nobody may lose anything.
    pub(super) fn lost(&self) -> Figure {
        let what = "failed requests right after kill -9 of the only worker, idle".to_owned();
        Figure::lost(what, self.lost)
    }
}

/// A client comes as soon as the worker is killed: the port is still open, and the client waits there. Says how long that
/// takes, if the answer comes.
fn kill(cluster: &Cluster) -> anyhow::Result<Option<Duration>> {
    // The one before it may still be on its way out, and could answer.
    wait_until("one worker is left", || cluster.workers().len() == 1);
    let victim = cluster.workers().into_iter().next();
    let victim = victim.context("the slot has a worker")?;
    let address = cluster.address();
    let begin = Instant::now();
    victim.signal(Signal::KILL);
    let took = answers(address).then(|| begin.elapsed());
    // A second death in a row would wait for its back-off; a new release is forgiven.
    cluster.restart();
    Ok(took)
}

const COLUMNS: [&str; 4] = [
    "from, to the first answer",
    "median, ms",
    "p99, ms",
    "max, ms",
];
