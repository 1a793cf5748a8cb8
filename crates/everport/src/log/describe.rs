//! The line of text of each notice.

use std::fmt;

use everport_core::{ExitReason, Notice as Decision};

use super::Notice;
use super::describe_life::describe_life;
use super::describe_lost::Grouped;
use super::describe_port::describe_port;
use super::describe_rollout::{describe_abort, describe_rollout};
use super::describe_watcher::describe_watcher;
use super::describe_worker::describe_worker;
use super::duration::Readable;
use super::escape::escape_display;
use super::notice_subject::Subject;
use crate::{SlotId, WorkerId};

impl fmt::Display for Notice {
    /// One line, but three for the watcher's start. After a death, an abort or a description more of them, marked with
    /// `| `, for what the worker did and its last lines. What came from outside is escaped.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.subject() {
            Subject::Decision(decision) => describe_decision(f, decision),
            Subject::Abort => describe_abort(f, self),
            Subject::Watcher => describe_watcher(f, self),
            Subject::Worker => describe_worker(f, self),
            Subject::Port => describe_port(f, self),
        }
    }
}

impl Notice {
    /// Its text without what follows for a closer look, on one line.
    pub(crate) fn headline(&self) -> String {
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

pub(super) fn write_last_lines(f: &mut fmt::Formatter<'_>, lines: &[String]) -> fmt::Result {
    lines
        .iter()
        .try_for_each(|line| write!(f, "\n| {}", escape_display(line)))
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

#[cfg(test)]
#[path = "describe_tests.rs"]
mod tests;
