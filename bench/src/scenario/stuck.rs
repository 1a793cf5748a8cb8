//! How long new connections wait when one of the workers does not serve.

use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use everport::Sharing;
use everport_load::{RunningLoad, Trace};
use everport_tests::Cluster;
use tempfile::TempDir;

use crate::effort::Effort;
use crate::fault::{FAULTS, Fault, Suffered};
use crate::phase::{Comparison, Round};
use crate::plot::Plot;
use crate::statistics::{Interval, Sample, millis};
use crate::steady::steady;
use crate::subject::{SHARINGS, breakable_cluster};
use crate::table::{Cell, Figure, Limit, Outcome, Table};
use crate::turns::in_turn;

pub(crate) const NAME: &str = "stuck";

/// Compares calm with each fault, for each way to share.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let rounds = effort.rounds(15);
    let seconds = effort.seconds(SECONDS);
    let method = format!(
        "{WORKERS} workers; {CLIENTS} clients, one connection per request, {RATE} requests a second; {rounds} \
         rounds of {seconds:?} calm and {seconds:?} of which one worker does not serve for {:.1?}, in turn, and every way to share in each round: \
         stopped by `SIGSTOP`, hung in a loop, or killed with each successor dying at boot. The longest wait is \
         that of a request from its intended start to its whole answer. What the worker had accepted before \
         (*held*) has to wait for it: so many of the slowest are left out; a killed worker loses them instead. They serve by `everport::http`. \
         Quantiles are of answered requests: the median of the rounds with their quartiles; max: of all rounds. \
         Against reuseport: within a round, the median with its 95 % interval.",
        fault_length(seconds)
    );
    let mut outcome = Outcome::new(NAME, method, vec![Table::new("", &COLUMNS)]);
    let mut ratios = Table::new("Longest wait, against reuseport", &RATIO_COLUMNS);
    let mut failures = Table::new("Failures", &["fault", "sharing", "failure", "requests"]);
    for fault in FAULTS {
        let mut rows = Vec::new();
        let mut all = Vec::new();
        for sharing in SHARINGS {
            all.push(Measured::start(fault, sharing)?);
        }
        in_turn(&mut all, rounds, |measured| measured.take_round(seconds))?;
        for measured in &all {
            measured.tell(&mut outcome);
            measured.tell_ratio_to(&all[0], &mut ratios);
            let sharing = measured.sharing.to_string();
            let names = [fault.to_string().into(), sharing.clone().into()];
            measured.compared.busy.tell_failures(&names, &mut failures);
            let what = format!("one of {WORKERS} {fault}");
            rows.push(measured.compared.row(&sharing, &what));
        }
        outcome.plots.push(Plot {
            name: fault.to_string(),
            title: format!(
                "One of {WORKERS} workers {fault}: {RATE} requests a second, one connection each"
            ),
            marks: "fault begins, lasts while shaded",
            limit: Some(LONGEST_WAIT),
            rows,
        });
    }
    outcome.tables.push(ratios);
    outcome.add_unless_empty(failures);
    Ok(outcome)
}

const RATIO_COLUMNS: [&str; 4] = ["fault", "sharing", "calm", "with the fault"];

const COLUMNS: [&str; 11] = [
    "fault",
    "sharing",
    "phase",
    "requests",
    "failed",
    "held",
    "p50, ms",
    "p99, ms",
    "p99.9, ms",
    "max, ms",
    "longest wait, ms",
];

/// All rounds of one fault and one way to share.
struct Measured {
    fault: Fault,
    sharing: Sharing,
    cluster: Cluster,
    /// Where the file is that has new workers die.
    directory: TempDir,
    compared: Comparison,
    /// How many connections the worker was serving, in each round.
    held: Vec<u64>,
}

impl Measured {
    /// With a cluster of its own, which is idle while others have their turns.
    fn start(fault: Fault, sharing: Sharing) -> anyhow::Result<Self> {
        let directory = TempDir::new().context("no temporary directory")?;
        let switch = switch(&directory);
        Ok(Self {
            fault,
            sharing,
            cluster: breakable_cluster(WORKERS, sharing, "--settle 0", &switch),
            directory,
            compared: Comparison::default(),
            held: Vec::new(),
        })
    }

    fn take_round(&mut self, seconds: Duration) -> anyhow::Result<()> {
        let Self {
            fault,
            cluster,
            directory,
            compared,
            held,
            ..
        } = self;
        let calm = || Ok(Round::calm(load(cluster, seconds)?, seconds));
        let busy = || {
            let (round, of_round) = suffer(cluster, *fault, seconds, &switch(directory))?;
            held.push(of_round);
            Ok(round)
        };
        compared.take_round(calm, busy)
    }

    /// The longest wait of each calm round.
    fn calm_waits(&self) -> Vec<f64> {
        let rounds = self.compared.calm.rounds.iter();
        rounds.map(|round| longest_wait(round, 0)).collect()
    }

    /// The longest wait of each round with the fault, but for those who had to wait for the worker.
    fn waits(&self) -> Vec<f64> {
        let waits_for_it = |held: &u64| if self.fault.kills() { 0 } else { *held };
        let pairs = self.compared.busy.rounds.iter().zip(&self.held);
        pairs
            .map(|(round, held)| longest_wait(round, waits_for_it(held)))
            .collect()
    }

    /// Its longest waits against those of another way to share.
    fn tell_ratio_to(&self, other: &Self, table: &mut Table) {
        if self.sharing == other.sharing {
            return;
        }
        let ratio = |of: Vec<f64>, to: Vec<f64>| {
            Cell::Interval(Sample::ratios(of, to).median_interval(), 2)
        };
        table.row([
            self.fault.to_string().into(),
            self.sharing.to_string().into(),
            ratio(self.calm_waits(), other.calm_waits()),
            ratio(self.waits(), other.waits()),
        ]);
    }

    fn tell(&self, outcome: &mut Outcome) {
        let Self {
            fault,
            sharing,
            compared,
            ..
        } = self;
        let [calm, busy] =
            [self.calm_waits(), self.waits()].map(|waits| Sample::from_iter(waits).max());
        let held: u64 = self.held.iter().sum();
        let phases = [
            ("calm", &compared.calm, 0, calm),
            ("fault", &compared.busy, held, busy),
        ];
        for (what, phase, held, longest) in phases {
            let names = [fault.to_string(), sharing.to_string(), what.to_owned()];
            let counts = [phase.requests(), phase.failed(), held].map(Cell::from);
            let cells = names.into_iter().map(Cell::from).chain(counts);
            let longest = Cell::Number(longest, 2);
            outcome.tables[0].row(cells.chain(phase.quantiles()).chain([longest]));
        }
        let title = |what| format!("{what}, one of {WORKERS} {fault}, {sharing}");
        outcome.figures.push(Figure {
            what: title("longest wait of a new connection"),
            limit: Limit::AtMost(LONGEST_WAIT),
            measured: Interval::exact(busy),
            unit: "ms",
        });
        let lost = if fault.kills() { held } else { 0 };
        let lost = compared.busy.failed().saturating_sub(lost);
        let what = title("failed beyond what was being served");
        outcome.figures.push(Figure::lost(what, lost));
    }
}

/// New workers die as long as this file is there.
fn switch(directory: &TempDir) -> PathBuf {
    directory.path().join("broken")
}

/// One round with the fault in its middle, and how many connections were held.
fn suffer(
    cluster: &Cluster,
    fault: Fault,
    seconds: Duration,
    switch: &Path,
) -> anyhow::Result<(Round, u64)> {
    let load = load(cluster, seconds)?;
    let length = fault_length(seconds);
    let before = load.begin() + (seconds - length) / 2;
    thread::sleep(before.saturating_duration_since(Instant::now()));
    let suffered = fault.inflict(cluster, length, switch)?;
    let Suffered { begin, end, held } = suffered;
    let round = Round::busy(load, seconds, 1, [(begin, end)]);
    // A new release is forgiven: the next round begins with every worker.
    cluster.restart();
    Ok((round, held))
}

/// How long the slowest request took, so many of the slowest left out, in milliseconds.
fn longest_wait(round: &Round, left_out: u64) -> f64 {
    let latency = |trace: &Trace| millis(trace.latency);
    let mut latencies: Vec<f64> = round.report.traces.iter().map(latency).collect();
    latencies.sort_by(f64::total_cmp);
    let rest = latencies.len().saturating_sub(left_out as usize);
    latencies[..rest].last().copied().unwrap_or(f64::NAN)
}

fn fault_length(seconds: Duration) -> Duration {
    seconds * 5 / 7
}

fn load(cluster: &Cluster, duration: Duration) -> anyhow::Result<RunningLoad> {
    let load = steady(cluster.address(), CLIENTS, RATE)
        .timeout(Duration::from_secs(30))
        .duration(duration);
    Ok(load.start()?)
}

const WORKERS: u32 = 4;
/// The fault lasts for a second of them: what matters is at its begin, so that many are better than long ones.
const SECONDS: Duration = Duration::from_millis(1400);
/// Enough to go on when a few of them wait.
const CLIENTS: usize = 64;
/// Requests a second.
const RATE: u32 = 500;
/// How long a new connection may wait for its answer, in milliseconds.
const LONGEST_WAIT: f64 = 50.0;
