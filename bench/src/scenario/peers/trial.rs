//! What is done to a server while it is under load.

use std::fmt;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use everport_load::{Load, RunningLoad};
use rustix::process::{Pid, Signal, kill_process};

use crate::phase::{Round, TRACES};
use crate::subject::{Kind, Subject};

/// Something that is done to a server, or not, while it is under load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trial {
    Calm,
    Restarts,
    KeptRestarts,
    Kills,
    Stopped,
}

/// From when to when something was done.
type Marks = Vec<(Instant, Instant)>;

impl Trial {
    /// In the order in which they are made. One server ends altogether when a worker is killed soon after a restart.
    pub(super) const ALL: [Self; 5] = [
        Self::Calm,
        Self::Stopped,
        Self::Kills,
        Self::Restarts,
        Self::KeptRestarts,
    ];

    /// Why it cannot be done to this one.
    pub(super) fn impossible_for(self, kind: Kind) -> Option<&'static str> {
        match (self, kind) {
            (Self::Calm, _) => None,
            (_, Kind::MultiThreaded) => Some("one process without a manager"),
            (Self::Kills | Self::Stopped, Kind::Threads) => Some("its workers are threads"),
            (Self::Kills, Kind::Haproxy) => Some("one worker process, whose master ends with it"),
            (Self::Stopped, Kind::Haproxy) => Some("one worker process: nobody else serves"),
            (Self::Restarts | Self::KeptRestarts | Self::Kills, Kind::Unmanaged) => {
                Some("nobody replaces a process")
            }
            _ => None,
        }
    }

    /// Puts the server under load for so long, and does it.
    pub(super) fn run(self, subject: &dyn Subject, seconds: Duration) -> anyhow::Result<Round> {
        let load = self.load(subject, seconds)?;
        let begin = load.begin();
        let marks = match self {
            Self::Calm => Marks::new(),
            Self::Restarts | Self::KeptRestarts => again_and_again(begin, seconds, || {
                let can_restart = subject.restart()?;
                ensure!(can_restart, "it has no restart");
                Ok(())
            })?,
            Self::Kills => again_and_again(begin, seconds, || {
                signal_one(subject, Signal::KILL).map(drop)
            })?,
            Self::Stopped => stop_one(subject, begin, seconds)?,
        };
        Ok(Round::busy(load, seconds, marks.len() as u64, marks))
    }

    fn load(self, subject: &dyn Subject, duration: Duration) -> anyhow::Result<RunningLoad> {
        let load = Load::new(subject.address())
            .rate(f64::from(RATE))
            .expect_body("Hello, World!")
            .traces(TRACES)
            .timeout(PATIENCE.max(duration))
            .duration(duration);
        let load = match self {
            Self::KeptRestarts => load.clients(KEPT).keep_alive(),
            _ => load.clients(CLIENTS).one_shot().source_addresses(8),
        };
        Ok(load.start()?)
    }

    /// What the plot calls what is done.
    pub(super) fn mark(self) -> &'static str {
        match self {
            Self::Calm => "",
            Self::Restarts | Self::KeptRestarts => "rolling restart",
            Self::Kills => "kill",
            Self::Stopped => "worker stopped",
        }
    }

    /// What the plot is about.
    pub(super) fn title(self) -> String {
        let seconds = EVERY.as_secs();
        let what = match self {
            Self::Calm => "Calm".to_owned(),
            Self::Restarts => {
                format!("A rolling restart every {seconds} s, one connection per request")
            }
            Self::KeptRestarts => {
                format!("A rolling restart every {seconds} s, {KEPT} kept connections")
            }
            Self::Kills => format!("kill -9 of a worker every {seconds} s"),
            Self::Stopped => "One of the workers is stopped".to_owned(),
        };
        format!("{what}: {RATE} requests a second")
    }

    /// What the plot's file is called.
    pub(super) fn file_name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Restarts => "restarts",
            Self::KeptRestarts => "kept-restarts",
            Self::Kills => "kills",
            Self::Stopped => "stopped",
        }
    }
}

/// Does something every [`EVERY`], at least twice, as long as the load goes on; or as soon as it is done if it takes longer.
fn again_and_again(
    begin: Instant,
    seconds: Duration,
    mut act: impl FnMut() -> anyhow::Result<()>,
) -> anyhow::Result<Marks> {
    let interval = EVERY.min(seconds / 2);
    let end = begin + seconds;
    let mut next = begin + interval / 4;
    let mut marks = Marks::new();
    while next < end {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let from = Instant::now();
        act()?;
        let to = Instant::now();
        marks.push((from, to));
        next = (next + interval).max(to);
    }
    Ok(marks)
}

/// Stops one worker, and lets it go on before the load ends.
fn stop_one(subject: &dyn Subject, begin: Instant, seconds: Duration) -> anyhow::Result<Marks> {
    let sleep_until = |at: Instant| thread::sleep(at.saturating_duration_since(Instant::now()));
    sleep_until(begin + seconds / 6);
    let from = Instant::now();
    let victim = signal_one(subject, Signal::STOP)?;
    sleep_until(begin + seconds * 5 / 6);
    // Its manager may have replaced it.
    let _gone = kill_process(victim, Signal::CONT);
    Ok(vec![(from, Instant::now())])
}

/// Sends the oldest worker a signal: no worker twice in a row.
fn signal_one(subject: &dyn Subject, signal: Signal) -> anyhow::Result<Pid> {
    let workers = subject.workers();
    let victim = workers.first().context("there is no worker left")?;
    let victim = i32::try_from(*victim).ok().and_then(Pid::from_raw);
    let victim = victim.context("not a process id")?;
    // One that has just ended needs none.
    let _gone = kill_process(victim, signal);
    Ok(victim)
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Calm => "calm",
            Self::Restarts => "restarts",
            Self::KeptRestarts => "restarts, kept connections",
            Self::Kills => "kills",
            Self::Stopped => "stopped",
        })
    }
}

/// Requests a second: few enough for the slowest, which then wait for nothing but what is done to their server.
pub(super) const RATE: u32 = 500;
/// More than can wait for a stopped worker in the time, where a quarter of all connections does.
pub(super) const CLIENTS: usize = 512;
/// Connections that are kept.
pub(super) const KEPT: usize = 32;
/// How long a client waits: longer than a worker is stopped.
const PATIENCE: Duration = Duration::from_secs(6);
/// Between the beginnings of two restarts, or two kills.
pub(super) const EVERY: Duration = Duration::from_secs(2);
