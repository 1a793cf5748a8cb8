//! What managing costs as the number of workers grows.

use everport::Sharing;
use everport_tests::take_turn;

use crate::accounting::Cost;
use crate::effort::Effort;
use crate::embedder::{Embedder, Step};
use crate::statistics::{Sample, millis};
use crate::subject::SHARINGS;
use crate::table::{Cell, Outcome, Table};
use crate::turns::in_turn;

pub(crate) const NAME: &str = "growth";

/// Takes clusters of several sizes through their life, by each way to share, in turn.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(3);
    let mut measured: Vec<Measured> = Vec::new();
    for sharing in SHARINGS {
        measured.extend(
            sizes(effort)
                .iter()
                .map(|workers| Measured::new(*workers, sharing)),
        );
    }
    in_turn(&mut measured, rounds, |size| {
        let _turn = take_turn();
        size.lives.push(Life::take(size.workers, size.sharing)?);
        Ok(())
    })?;
    let method = format!(
        "An application that embeds a watcher with so many idle worker processes, {rounds} times each, in turn: \
         from `build` to `ready()`, `status()` {LOOKS} times, a rolling restart with no settle time to `at_rest()`, \
         and from `stop()` to the end. Processor time is that of the application's process alone, per worker; \
         memory and descriptors are what it has more than before it had a watcher. Medians, where there is room with \
         their quartiles (in parentheses), which for three rounds are the least and the greatest."
    );
    Ok(Outcome::new(
        NAME,
        method,
        vec![times(&measured), costs(&measured), memory(&measured)],
    ))
}

/// One size and one way to share.
struct Measured {
    workers: u32,
    sharing: Sharing,
    lives: Vec<Life>,
}

/// A cluster from its start to its end.
struct Life {
    begun: Step,
    started: Step,
    looked: Step,
    restarted: Step,
    stopped: Step,
}

impl Life {
    fn take(workers: u32, sharing: Sharing) -> anyhow::Result<Self> {
        let (mut embedder, begun) = Embedder::start(workers, sharing)?;
        Ok(Self {
            begun,
            started: embedder.tell("start")?,
            looked: embedder.tell("status")?,
            restarted: embedder.tell("restart")?,
            stopped: embedder.tell("stop")?,
        })
    }
}

impl Measured {
    fn new(workers: u32, sharing: Sharing) -> Self {
        let lives = Vec::new();
        Self {
            workers,
            sharing,
            lives,
        }
    }

    fn name(&self) -> [Cell; 2] {
        [
            self.sharing.to_string().into(),
            u64::from(self.workers).into(),
        ]
    }

    fn median(&self, of: impl Fn(&Life) -> f64) -> f64 {
        self.lives.iter().map(of).collect::<Sample>().median()
    }

    /// The median with its quartiles, and its share of one worker.
    fn shared(&self, decimals: usize, of: impl Fn(&Life) -> f64) -> [Cell; 2] {
        let all = self.lives.iter().map(of).collect::<Sample>().spread();
        let each = all.median / f64::from(self.workers);
        [Cell::Spread(all, decimals), Cell::Number(each, 2)]
    }
}

fn times(measured: &[Measured]) -> Table {
    let mut table = Table::new(
        "Time",
        &[
            "sharing",
            "workers",
            "start, ms",
            "per worker",
            "status, µs",
            "restart, ms",
            "per worker",
            "stop, ms",
            "per worker",
        ],
    );
    for size in measured {
        let took = |step: &Step| step.millis.iter().copied().collect::<Sample>().median();
        let status = size.median(|life| took(&life.looked)) * 1e3;
        let cells = size.name().into_iter();
        let cells = cells.chain(size.shared(1, |life| took(&life.started)));
        let cells = cells.chain([Cell::Number(status, 1)]);
        let cells = cells.chain(size.shared(1, |life| took(&life.restarted)));
        table.row(cells.chain(size.shared(1, |life| took(&life.stopped))));
    }
    table
}

fn costs(measured: &[Measured]) -> Table {
    let mut table = Table::new(
        "Processor time of the application, per worker",
        &["sharing", "workers", "start, ms", "restart, ms", "stop, ms"],
    );
    for size in measured {
        let each = |before: fn(&Life) -> &Step, after: fn(&Life) -> &Step| {
            let used = |life: &Life| {
                let used = after(life).cost.processor_time - before(life).cost.processor_time;
                millis(used) / f64::from(size.workers)
            };
            Cell::Number(size.median(used), 3)
        };
        table.row(size.name().into_iter().chain([
            each(|life| &life.begun, |life| &life.started),
            each(|life| &life.looked, |life| &life.restarted),
            each(|life| &life.restarted, |life| &life.stopped),
        ]));
    }
    table
}

fn memory(measured: &[Measured]) -> Table {
    let mut table = Table::new(
        "Memory and descriptors",
        &[
            "sharing",
            "workers",
            "RSS, KiB",
            "per worker",
            "after a restart, KiB",
            "per worker",
            "descriptors",
            "per worker",
            "threads",
        ],
    );
    for size in measured {
        let more = |step: fn(&Life) -> &Step, of: fn(&Cost) -> u64| {
            move |life: &Life| of(&step(life).cost) as f64 - of(&life.begun.cost) as f64
        };
        let resident = |cost: &Cost| cost.memory.resident;
        let cells = size.name().into_iter();
        let cells = cells.chain(size.shared(0, more(|life| &life.started, resident)));
        let cells = cells.chain(size.shared(0, more(|life| &life.restarted, resident)));
        let cells =
            cells.chain(size.shared(0, more(|life| &life.started, |cost| cost.descriptors)));
        let threads = size.median(|life| life.started.cost.threads as f64);
        table.row(cells.chain([Cell::Number(threads, 0)]));
    }
    table
}

/// A handful, more than most machines have cores, more than anybody should want.
fn sizes(effort: Effort) -> &'static [u32] {
    if effort.is_brief() {
        &[2, 8]
    } else {
        &[10, 100, 1000]
    }
}

/// How often the application asks.
const LOOKS: u32 = 101;
