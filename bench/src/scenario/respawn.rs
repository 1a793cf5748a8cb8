//! How soon a killed worker is noticed and replaced.

mod first_answer;

use std::ops::Range;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use everport::Sharing;
use everport_load::{Load, RunningLoad};
use everport_tests::{Cluster, PATIENCE, WorkerSeen, take_turn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use self::first_answer::FirstAnswer;
use crate::effort::Effort;
use crate::phase::{Comparison, Round, TRACES};
use crate::plot::Plot;
use crate::statistics::{Interval, Sample};
use crate::subject::{command, lossless_cluster};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

pub(crate) const NAME: &str = "respawn";

/// Kills one worker after the other, calm and under load in turn, and starts the same program bare beside it.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let kills = effort.rounds(200);
    let cluster = lossless_cluster(WORKERS, Sharing::DEFAULT, "--settle 0");
    let (mut calm, mut busy) = (Times::default(), Times::default());
    let mut clients = Comparison::default();
    for first in (0..kills).step_by(WORKERS as usize) {
        let _turn = take_turn();
        let slots = 0..WORKERS.min(kills - first);
        calm.kill_each(&cluster, slots.clone(), || Ok(()))?;
        clients.calm.rounds.push(under_load(&cluster, |load| {
            load.wait_for_more(u64::from(RATE) / 2, PATIENCE)?;
            Ok(Vec::new())
        })?);
        clients.busy.rounds.push(under_load(&cluster, |load| {
            let go_on = || Ok(load.wait_for_more(u64::from(RATE) / 20, PATIENCE)?);
            let before = busy.begun.len();
            busy.kill_each(&cluster, slots, go_on)?;
            Ok(busy.begun[before..].to_vec())
        })?);
    }
    let first_answer = FirstAnswer::take(kills)?;
    let mut outcome = outcome(kills, &calm, &busy);
    outcome.tables.push(first_answer.table());
    outcome.figures.push(first_answer.lost());
    outcome.plots = vec![plot(&clients)];
    Ok(outcome)
}

/// Puts load on the cluster while something happens to it, and says what the clients saw. What the killed were
/// serving is lost; the scenario `kills` looks at that.
fn under_load(
    cluster: &Cluster,
    meanwhile: impl FnOnce(&RunningLoad) -> anyhow::Result<Vec<Instant>>,
) -> anyhow::Result<Round> {
    let load = load(cluster)?;
    let begin = load.begin();
    let kills = meanwhile(&load)?;
    let length = begin.elapsed();
    let mark = |kill: &Instant| {
        let since = kill.saturating_duration_since(begin);
        (since, since)
    };
    Ok(Round {
        report: load.stop(),
        beside: None,
        length,
        disturbances: kills.len() as u64,
        marks: kills.iter().map(mark).collect(),
    })
}

fn plot(clients: &Comparison) -> Plot {
    Plot {
        name: "load".to_owned(),
        title: format!(
            "kill -9 of one of {WORKERS} workers: {RATE} requests a second, one connection each"
        ),
        marks: "kill",
        limit: None,
        rows: vec![clients.row(&Sharing::DEFAULT.to_string(), "kill -9 of one")],
    }
}

/// What was measured, one value for each kill.
#[derive(Debug, Default)]
struct Times {
    /// When the signal was sent.
    begun: Vec<Instant>,
    gone: Vec<Duration>,
    noticed: Vec<Duration>,
    spawned: Vec<Duration>,
    ready: Vec<Duration>,
    bare: Vec<Duration>,
}

impl Times {
    fn kill_each(
        &mut self,
        cluster: &Cluster,
        slots: Range<u32>,
        go_on: impl Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        for slot in slots {
            go_on()?;
            self.kill(cluster, slot)?;
            self.start_bare()?;
        }
        // A slot's second death in a row would wait for its back-off; a new release is forgiven.
        cluster.restart();
        Ok(())
    }

    fn kill(&mut self, cluster: &Cluster, slot: u32) -> anyhow::Result<()> {
        let mut workers = cluster.workers().into_iter();
        let victim = workers
            .find(|worker| worker.slot == slot)
            .context("every slot has a worker")?;
        let log = cluster.log();
        let position = log.position();
        let begin = Instant::now();
        self.begun.push(begin);
        let gone = kill(victim)?;
        let line = |text: &str| log.arrival_after(position, text).duration_since(begin);
        let seen = format!("worker {} (slot {slot}) died: ", victim.worker);
        self.gone.push(gone.duration_since(begin));
        self.noticed.push(line(&seen));
        self.spawned.push(line(&format!("(slot {slot}) started: ")));
        self.ready
            .push(line(&format!("(slot {slot}) is ready after ")));
        Ok(())
    }

    /// The same program by the standard library's own spawn.
    fn start_bare(&mut self) -> anyhow::Result<()> {
        let mut command = command(([127, 0, 0, 1], 0).into());
        command.stdout(Stdio::null());
        let spawned = spawn_and_kill(command)?;
        self.bare.push(spawned);
        Ok(())
    }
}

fn outcome(kills: u32, calm: &Times, busy: &Times) -> Outcome {
    let method = format!(
        "{WORKERS} workers, {kills} times `kill -9` of one without any load, and {kills} times under {RATE} requests \
         a second, one connection each, in turn. Times run from just before the signal; log lines are stamped when \
         they arrive at the benchmark's end of the pipe, so that writing the log counts. The bare start runs in turn \
         with the kills. To the first answer: as many kills of a cluster's only worker, with a client that asks at \
         once and waits at the port, each paired with a start of the same program unmanaged, from its spawn to its \
         first answer; both serve by `axum::serve`, the cluster of four by `everport::http`. A pair whose request was \
         lost counts as a loss, and in no time."
    );
    let mut table = Table::new("", &COLUMNS);
    for (what, of) in ROWS {
        let quantiles = [calm, busy].map(|times| {
            let sample = Sample::millis(of(times));
            [0.5, 0.99, 1.0].map(|share| Cell::Number(sample.quantile(share), 2))
        });
        table.row(
            [what.into()]
                .into_iter()
                .chain(quantiles.into_iter().flatten()),
        );
    }
    let figure = |what: &str, times: &[Duration], limit| Figure {
        what: what.to_owned(),
        limit: Limit::AtMost(limit),
        measured: Interval::exact(Sample::millis(times).quantile(0.99)),
        unit: "ms",
    };
    let mut outcome = Outcome::new(NAME, method, vec![table]);
    outcome.figures = vec![
        figure("kill -9 to noticed, calm, p99", &calm.noticed, 5.0),
        figure(
            "kill -9 to replacement spawned, calm, p99",
            &calm.spawned,
            15.0,
        ),
    ];
    outcome
}

const COLUMNS: [&str; 7] = [
    "from kill to",
    "calm: p50, ms",
    "p99, ms",
    "max, ms",
    "under load: p50, ms",
    "p99, ms",
    "max, ms",
];

/// What a row is about, and its times.
type RowOf = (&'static str, fn(&Times) -> &[Duration]);

const ROWS: [RowOf; 5] = [
    (
        "process gone (its pidfd, as the benchmark sees it)",
        |times| &times.gone,
    ),
    ("death noticed (the watcher's log line)", |times| {
        &times.noticed
    }),
    ("replacement spawned (the watcher's log line)", |times| {
        &times.spawned
    }),
    ("replacement ready (the watcher's log line)", |times| {
        &times.ready
    }),
    ("bare fork and exec of the same program, no kill", |times| {
        &times.bare
    }),
];

fn load(cluster: &Cluster) -> anyhow::Result<RunningLoad> {
    let load = Load::new(cluster.address())
        .clients(32)
        .one_shot()
        .rate(f64::from(RATE))
        .source_addresses(8)
        .traces(TRACES);
    Ok(load.start()?)
}

/// Kills a worker and says when its process was gone.
fn kill(victim: WorkerSeen) -> anyhow::Result<Instant> {
    let pid = i32::try_from(victim.pid).ok().and_then(Pid::from_raw);
    let pidfd = pidfd_open(pid.context("a process id")?, PidfdFlags::empty())?;
    victim.signal(Signal::KILL);
    let mut watched = [PollFd::new(&pidfd, PollFlags::IN)];
    let ready = poll(&mut watched, Some(&DEATH_TAKES_AT_MOST))?;
    let gone = Instant::now();
    ensure!(ready == 1, "worker {} survives SIGKILL", victim.worker);
    Ok(gone)
}

/// How long it takes until the program runs: the standard library waits for the exec.
fn spawn_and_kill(mut command: Command) -> anyhow::Result<Duration> {
    let begin = Instant::now();
    let mut child = command.spawn().context("cannot start bench-server")?;
    let spawned = begin.elapsed();
    child.kill()?;
    child.wait()?;
    Ok(spawned)
}

const WORKERS: u32 = 4;
/// Requests a second, when there is load.
const RATE: u32 = 1000;
/// Far longer than the kernel needs to tear a small process down.
const DEATH_TAKES_AT_MOST: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
