//! How the cluster is, in one line for people who ask the service manager.

use std::collections::{BTreeMap, BTreeSet};

use crate::watcher::{ExitReason, Status, WorkerState};
use crate::{Generation, SlotId};

/// What the cluster is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    Starting,
    Running,
    RollingOut(Generation),
    /// Slots return to the old generation after a rollout was given up.
    GoingBack,
    /// The drain delay runs.
    Leaving,
    Stopping(ExitReason),
}

/// Why a slot has no ready worker for long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Its workers are not ready in time, or end before they are.
    NotComingUp,
    /// They die more often than its budget allows.
    CrashLooping,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotComingUp => "does not come up",
            Self::CrashLooping => "is crash-looping",
        })
    }
}

/// The slots that have a ready worker.
pub(super) fn ready_slots(status: &Status) -> BTreeSet<SlotId> {
    slots_where(status, |_| true)
}

fn slots_where(status: &Status, of_interest: impl Fn(Generation) -> bool) -> BTreeSet<SlotId> {
    let counts = |worker: &&crate::watcher::WorkerStatus| {
        let serves = worker.state == WorkerState::Ready && !worker.suspended;
        serves && worker.slot.0 < status.slots && of_interest(worker.generation)
    };
    let workers = status.workers.iter().filter(counts);
    workers.map(|worker| worker.slot).collect()
}

/// The line; none when nothing is known any more.
pub(super) fn compose(
    course: Course,
    status: Option<&Status>,
    failing: &BTreeMap<SlotId, Trouble>,
    given_up: Option<Generation>,
) -> Option<String> {
    if let Course::Stopping(reason) = course {
        return Some(stopping(reason, status));
    }
    let status = status?;
    let slots = status.slots;
    let workers = if slots == 1 { "worker" } else { "workers" };
    let ready = format!("{} of {slots} {workers} ready", ready_slots(status).len());
    let mut line = match course {
        Course::Starting => format!("starting: {ready}"),
        Course::RollingOut(to) => {
            let moved = slots_where(status, |generation| generation == to).len();
            format!("rolling out generation {to}: {moved} of {slots}")
        }
        Course::Leaving => format!("leaving: {ready}"),
        Course::Running | Course::GoingBack | Course::Stopping(_) => {
            format!("{ready}, generation {}", status.generation)
        }
    };
    if let Some(generation) = given_up {
        line += &format!(", rollout to generation {generation} aborted");
    }
    if course == Course::GoingBack {
        line += ", rolling back";
    }
    for (slot, trouble) in failing {
        line += &format!(", slot {slot} {trouble}");
    }
    Some(line)
}

fn stopping(reason: ExitReason, status: Option<&Status>) -> String {
    let what = match reason {
        ExitReason::Stopped => "draining",
        ExitReason::Forced => "stopping by force",
        ExitReason::NeverReady => "giving up, no worker was ever ready",
        ExitReason::CrashLoop => "stopping, a slot is crash-looping",
    };
    match status.map(|status| status.workers.len()) {
        Some(1) => format!("{what}: 1 worker left"),
        Some(workers) => format!("{what}: {workers} workers left"),
        None => what.to_owned(),
    }
}
