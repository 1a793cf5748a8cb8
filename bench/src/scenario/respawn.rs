//! How soon a killed worker is noticed and replaced.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use everport::Sharing;
use everport_tests::{Cluster, WorkerSeen, take_turn};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use crate::effort::Effort;
use crate::statistics::{Interval, Sample};
use crate::subject::{cluster, command};
use crate::table::{Cell, Figure, Limit, Outcome, Table};

pub(crate) const NAME: &str = "respawn";

/// Kills one worker after the other, and starts the same program bare beside it.
pub(crate) fn run(effort: Effort) -> anyhow::Result<Outcome> {
    let kills = effort.rounds(200);
    let cluster = cluster(WORKERS, Sharing::DEFAULT, "--settle 0");
    let mut times = Times::default();
    for kill in 0..kills {
        let _turn = take_turn();
        if kill > 0 && kill.is_multiple_of(WORKERS) {
            // A slot's second death in a row would wait for its back-off; a new release is forgiven.
            cluster.restart();
        }
        times.kill(&cluster, kill % WORKERS)?;
        times.start_bare()?;
    }
    Ok(times.outcome(kills))
}

/// What was measured, one value for each kill.
#[derive(Debug, Default)]
struct Times {
    gone: Vec<Duration>,
    noticed: Vec<Duration>,
    spawned: Vec<Duration>,
    ready: Vec<Duration>,
    bare: Vec<Duration>,
}

impl Times {
    fn kill(&mut self, cluster: &Cluster, slot: u32) -> anyhow::Result<()> {
        let mut workers = cluster.workers().into_iter();
        let victim = workers
            .find(|worker| worker.slot == slot)
            .context("every slot has a worker")?;
        let log = cluster.log();
        let position = log.position();
        let begin = Instant::now();
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

    fn outcome(&self, kills: u32) -> Outcome {
        let mut table = Table::new(
            "",
            &["from kill to", "p50, ms", "p90, ms", "p99, ms", "max, ms"],
        );
        let rows = [
            (
                "process gone (its pidfd, as the benchmark sees it)",
                &self.gone,
            ),
            ("death noticed (the watcher's log line)", &self.noticed),
            (
                "replacement spawned (the watcher's log line)",
                &self.spawned,
            ),
            ("replacement ready (the watcher's log line)", &self.ready),
            (
                "bare fork and exec of the same program, no kill",
                &self.bare,
            ),
        ];
        for (what, times) in rows {
            let sample = Sample::millis(times);
            let quantile = |share| Cell::Number(sample.quantile(share), 2);
            let quantiles = [quantile(0.5), quantile(0.9), quantile(0.99), quantile(1.0)];
            table.row([what.into()].into_iter().chain(quantiles));
        }
        let figure = |what: &str, times: &[Duration], limit| Figure {
            what: what.to_owned(),
            limit: Limit::AtMost(limit),
            measured: Interval::exact(Sample::millis(times).quantile(0.99)),
            unit: "ms",
        };
        Outcome {
            scenario: NAME,
            method: format!(
                "{WORKERS} idle workers, {kills} times `kill -9` of one. Times run from just before the signal; \
                 log lines are stamped when they arrive at the benchmark's end of the pipe, so that writing \
                 the log counts. The bare start runs in turn with the kills."
            ),
            tables: vec![table],
            figures: vec![
                figure("kill -9 to noticed, p99", &self.noticed, 5.0),
                figure("kill -9 to replacement spawned, p99", &self.spawned, 15.0),
            ],
            plots: Vec::new(),
        }
    }
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
/// Far longer than the kernel needs to tear a small process down.
const DEATH_TAKES_AT_MOST: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};
