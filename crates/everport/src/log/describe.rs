//! The line of text of each notice.

use std::fmt;

use everport_core::{DrainReason, ExitReason, Notice as Decision, ReplaceCause};

use super::describe_lost::Grouped;
use super::describe_port::describe_port;
use super::describe_rollout::{describe_abort, describe_rollout};
use super::duration::Readable;
use super::escape::escape_display;
use super::size::Mebibytes;
use super::{Level, Notice, Thread};
use crate::{SlotId, WorkerId};

impl fmt::Display for Notice {
    /// One line, but three for the watcher's start. After a death, an abort or a description more of them, marked with
    /// `| `, for what the worker did and its last lines. What came from outside is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Supervisor(decision) => describe_decision(f, decision),
            Self::RolloutAborted { .. } => describe_abort(f, self),
            Self::Started { .. }
            | Self::Configured { .. }
            | Self::ConfigurationRefused { .. }
            | Self::Stopped { .. }
            | Self::FilesChanged { .. }
            | Self::WatchFailed { .. }
            | Self::Overslept { .. }
            | Self::LogTrouble { .. }
            | Self::LogReopened { .. }
            | Self::LogLevelSet { .. }
            | Self::ServiceManagerUnreachable { .. }
            | Self::OomScoreRefused { .. } => describe_watcher(f, self),
            Self::NeverJoined { .. }
            | Self::Joined { .. }
            | Self::Spawned { .. }
            | Self::SpawnFailed { .. }
            | Self::OverMemory { .. }
            | Self::Ended { .. }
            | Self::Left { .. }
            | Self::Suspended { .. }
            | Self::Silent { .. }
            | Self::Heard { .. }
            | Self::Stuck { .. }
            | Self::KillFailed { .. }
            | Self::LinkBroken { .. }
            | Self::RingRefused { .. }
            | Self::RingBroken { .. } => describe_worker(f, self),
            Self::PortOpened { .. }
            | Self::PortClosed { .. }
            | Self::PassedSocketRefused { .. }
            | Self::PassedSocketUnused { .. }
            | Self::PortRefused { .. }
            | Self::BacklogClamped { .. }
            | Self::SteeringRefused { .. }
            | Self::MendFailed { .. }
            | Self::PortMended { .. } => describe_port(f, self),
        }
    }
}

impl Notice {
    /// Its text without what follows for a closer look, on one line.
    pub(super) fn headline(&self) -> String {
        let text = self.to_string();
        let lines = text.split('\n').filter(|line| !line.starts_with("| "));
        lines.collect::<Vec<_>>().join(", ")
    }
}

/// How workers are named everywhere: `worker 7 (slot 2)`.
pub(super) struct Who(pub(super) WorkerId, pub(super) SlotId);

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {} (slot {})", self.0, self.1)
    }
}

/// A number with its noun: `1 worker`, `4 workers`.
pub(super) struct Counted(pub(super) u32, pub(super) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} {}{plural}", self.0, self.1)
    }
}

fn describe_watcher(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::Started {
            version,
            pid,
            workers,
            program,
        } => write!(
            f,
            "everport {version}\npid {pid}\n{} of {}",
            Counted(*workers, "worker"),
            escape_display(program)
        ),
        Notice::Configured { path } => {
            write!(f, "configured by {}", escape_display(path.display()))
        }
        Notice::LogReopened { path } => {
            write!(f, "opened {} anew", escape_display(path.display()))
        }
        Notice::ConfigurationRefused { errors } => {
            f.write_str("the configuration cannot be read again, and nothing changes:")?;
            errors
                .iter()
                .try_for_each(|error| write!(f, "\n| {}", escape_display(error)))
        }
        Notice::Stopped { reason, ran } => {
            let how = match reason {
                ExitReason::Stopped => "stopped",
                ExitReason::Forced => "stopped by force",
                ExitReason::NeverReady => "gave up",
                ExitReason::CrashLoop => "stopped because of a crash loop",
            };
            write!(f, "{how} after {}", Readable(*ran))
        }
        Notice::FilesChanged { path, others } => {
            write!(f, "restart: {} has changed", escape_display(path))?;
            match others {
                0 => Ok(()),
                others => write!(f, " (and {others} more)"),
            }
        }
        Notice::WatchFailed { error } => {
            let error = escape_display(error);
            write!(f, "changes of files may have been missed: {error}")
        }
        Notice::Overslept { gap } => write!(
            f,
            "the watcher did not run for {}, which counts towards no limit",
            Readable(*gap)
        ),
        Notice::LogTrouble { error } => write!(f, "{}", escape_display(error)),
        Notice::LogLevelSet { level } => {
            write!(f, "workers were told to log from level {level} up")
        }
        Notice::ServiceManagerUnreachable { error } => write!(
            f,
            "cannot tell the service manager how the cluster is: {}",
            escape_display(error)
        ),
        Notice::OomScoreRefused { error } => write!(
            f,
            "workers cannot be marked to be ended before the watcher when memory runs out: {error}"
        ),
        _ => Ok(()),
    }
}

fn describe_worker(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    let Some((worker, slot)) = notice.worker() else {
        return Ok(());
    };
    let who = Who(worker, slot);
    match notice {
        Notice::Spawned {
            generation, pid, ..
        } => write!(f, "{who} started: pid {pid}, generation {generation}"),
        Notice::Joined {
            library, protocol, ..
        } => write!(
            f,
            "{who} joined: {}, protocol version {protocol}",
            escape_display(library)
        ),
        Notice::NeverJoined { .. } => write!(
            f,
            "{who} has not joined the cluster: does its program call `everport::Cluster::join`?"
        ),
        Notice::SpawnFailed { error, .. } => {
            write!(f, "{who} could not be started: {}", escape_display(error))
        }
        Notice::Ended {
            ending,
            expected,
            last_lines,
            ..
        } => {
            let verb = if *expected { "ended" } else { "died" };
            write!(f, "{who} {verb}: {ending}")?;
            write_last_lines(f, last_lines)
        }
        Notice::Silent { lasts, .. } if notice.level() == Level::Debug => {
            write!(f, "{who} has not answered for {}", Readable(*lasts))
        }
        Notice::Silent { lasts, .. } => write!(
            f,
            "{who} has not answered for {}: new connections go to those that do",
            Readable(*lasts)
        ),
        Notice::Heard { lasted, .. } => {
            write!(f, "{who} answers again after {}", Readable(*lasted))
        }
        Notice::Stuck {
            threads,
            last_lines,
            ..
        } => describe_stuck(f, &who, threads, last_lines),
        Notice::Left {
            finished,
            closed,
            cut,
            ..
        } => {
            let result = match cut {
                0 => "has drained",
                _ => "timed out draining",
            };
            write!(f, "{who} {result}")?;
            describe_connections(f, [*finished, *closed, *cut])
        }
        Notice::OverMemory {
            used,
            limit,
            is_proportional,
            ..
        } => {
            let how = if *is_proportional { "" } else { " (resident)" };
            let (used, limit) = (Mebibytes(*used), Mebibytes(*limit));
            write!(f, "{who} uses {used} of memory{how}, more than {limit}")
        }
        Notice::Suspended { stopped: true, .. } => {
            write!(f, "{who} was stopped by a signal: it does not serve")
        }
        Notice::Suspended { .. } => write!(f, "{who} runs again"),
        Notice::KillFailed { error, .. } => {
            write!(f, "{who} could not be killed: {}", escape_display(error))
        }
        Notice::LinkBroken { error, .. } => write!(
            f,
            "{who} broke the link's protocol: {}; its link is closed",
            escape_display(error)
        ),
        Notice::RingRefused { error, .. } => write!(
            f,
            "{who} gets no ring for its records and prints them: {}",
            escape_display(error)
        ),
        Notice::RingBroken { error, .. } => write!(
            f,
            "{who} left no records in its ring but {}; its records are not taken any more",
            escape_display(error)
        ),
        _ => Ok(()),
    }
}

fn describe_stuck(
    f: &mut fmt::Formatter<'_>,
    who: &Who,
    threads: &[Thread],
    last_lines: &[String],
) -> fmt::Result {
    write!(f, "{who} before it is killed:")?;
    for thread in threads {
        write_last_lines(f, &[thread.to_string()])?;
        for function in &thread.stack {
            write_last_lines(f, &[format!("  in {function}")])?;
        }
    }
    if threads.is_empty() {
        f.write_str(" the system does not tell what its threads do")?;
    }
    if !last_lines.is_empty() {
        f.write_str("\n| it printed last:")?;
    }
    write_last_lines(f, last_lines)
}

pub(super) fn write_last_lines(f: &mut fmt::Formatter<'_>, lines: &[String]) -> fmt::Result {
    lines
        .iter()
        .try_for_each(|line| write!(f, "\n| {}", escape_display(line)))
}

/// What became of the connections of a drain, if there were any.
fn describe_connections(
    f: &mut fmt::Formatter<'_>,
    [finished, closed, cut]: [u32; 3],
) -> fmt::Result {
    let fates = [
        (finished, "finished"),
        (closed, "told to close"),
        (cut, "cut"),
    ];
    let mut separator = ": ";
    for (count, fate) in fates.into_iter().filter(|(count, _)| *count > 0) {
        let connections = if separator == ": " {
            Counted(count, "connection").to_string()
        } else {
            count.to_string()
        };
        write!(f, "{separator}{connections} {fate}")?;
        separator = ", ";
    }
    Ok(())
}

fn describe_decision(f: &mut fmt::Formatter<'_>, decision: &Decision) -> fmt::Result {
    match *decision {
        Decision::WorkerReady { .. }
        | Decision::BootTimedOut { .. }
        | Decision::Draining { .. }
        | Decision::DrainTimedOut { .. }
        | Decision::HangTimedOut { .. }
        | Decision::ReplacementStarted { .. } => describe_life(f, decision),
        Decision::RolloutStarted { .. }
        | Decision::RestartCoalesced
        | Decision::RestartRefused
        | Decision::RolloutFinished { .. }
        | Decision::RolloutAborted { .. }
        | Decision::RolledBack { .. } => describe_rollout(f, decision),
        Decision::ClusterReady { workers, took } => write!(
            f,
            "the cluster is ready: {} in {} ms",
            Counted(workers, "worker"),
            Grouped(u64::try_from(took.as_millis()).unwrap_or(u64::MAX))
        ),
        Decision::BackingOff {
            slot,
            failures,
            delay,
        } => write!(
            f,
            "slot {slot} waits {} before its next worker ({} in a row)",
            Readable(delay),
            Counted(failures, "failure")
        ),
        Decision::CrashLooping {
            slot,
            deaths,
            period,
        } => write!(
            f,
            "slot {slot} is crash-looping: {} within {}",
            Counted(deaths, "death"),
            Readable(period)
        ),
        Decision::Scaled { from, to } => {
            write!(f, "scaled from {from} to {}", Counted(to, "worker"))
        }
        Decision::Leaving { delay } => write!(
            f,
            "leaving: workers go on serving for {}, then they drain",
            Readable(delay)
        ),
        Decision::Stopping { reason } => f.write_str(match reason {
            ExitReason::Stopped => "stopping: every worker drains",
            ExitReason::Forced => "forced stop: every worker is killed",
            ExitReason::NeverReady => "giving up: no worker was ever ready",
            ExitReason::CrashLoop => "stopping: a slot is crash-looping",
        }),
    }
}

fn describe_life(f: &mut fmt::Formatter<'_>, decision: &Decision) -> fmt::Result {
    match *decision {
        Decision::WorkerReady {
            worker, slot, boot, ..
        } => write!(f, "{} is ready after {}", Who(worker, slot), Readable(boot)),
        Decision::BootTimedOut {
            worker,
            slot,
            timeout,
        } => write!(
            f,
            "{} did not come up within {} and is killed",
            Who(worker, slot),
            Readable(timeout)
        ),
        Decision::Draining {
            worker,
            slot,
            reason,
        } => {
            let why = match reason {
                DrainReason::Rollout => "its successor is ready",
                DrainReason::Replaced => "its successor is ready",
                DrainReason::ScaleDown => "its slot is removed",
                DrainReason::Stop => "the cluster stops",
            };
            write!(f, "{} drains: {why}", Who(worker, slot))
        }
        Decision::DrainTimedOut {
            worker,
            slot,
            timeout,
        } => write!(
            f,
            "{} has not drained within {} and is killed",
            Who(worker, slot),
            Readable(timeout)
        ),
        Decision::HangTimedOut {
            worker,
            slot,
            timeout,
        } => write!(
            f,
            "{} has not answered for {} and is killed",
            Who(worker, slot),
            Readable(timeout)
        ),
        Decision::ReplacementStarted {
            worker,
            slot,
            cause,
        } => {
            let why = match cause {
                ReplaceCause::Asked => "it asked for that",
                ReplaceCause::Connections => "it has accepted as many connections as it may",
                ReplaceCause::Memory => "it uses more memory than it may",
                ReplaceCause::Lifetime => "it has lived for as long as it may",
            };
            write!(f, "{} is being replaced: {why}", Who(worker, slot))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
