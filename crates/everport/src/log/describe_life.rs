//! The line of text of each decision about a worker's life.

use std::fmt;
use std::time::Duration;

use everport_core::{DrainReason, Notice as Decision, ReplaceCause};

use super::describe::Who;
use super::duration::Readable;

pub(super) fn describe_life(f: &mut fmt::Formatter<'_>, decision: &Decision) -> fmt::Result {
    match *decision {
        Decision::WorkerReady {
            worker, slot, boot, ..
        } => write!(f, "{} is ready after {}", Who(worker, slot), Readable(boot)),
        Decision::BootTimedOut {
            worker,
            slot,
            timeout,
        } => describe_kill(f, &Who(worker, slot), "did not come up within", timeout),
        Decision::DrainTimedOut {
            worker,
            slot,
            timeout,
        } => describe_kill(f, &Who(worker, slot), "has not drained within", timeout),
        Decision::HangTimedOut {
            worker,
            slot,
            timeout,
        } => describe_kill(f, &Who(worker, slot), "has not answered for", timeout),
        Decision::Draining {
            worker,
            slot,
            reason,
        } => write!(f, "{} drains: {}", Who(worker, slot), why_it_drains(reason)),
        Decision::ReplacementStarted {
            worker,
            slot,
            cause,
        } => {
            let why = why_it_is_replaced(cause);
            write!(f, "{} is being replaced: {why}", Who(worker, slot))
        }
        _ => Ok(()),
    }
}

fn describe_kill(
    f: &mut fmt::Formatter<'_>,
    who: &Who,
    failure: &str,
    timeout: Duration,
) -> fmt::Result {
    write!(f, "{who} {failure} {} and is killed", Readable(timeout))
}

fn why_it_drains(reason: DrainReason) -> &'static str {
    match reason {
        DrainReason::Rollout | DrainReason::Replaced => "its successor is ready",
        DrainReason::ScaleDown => "its slot is removed",
        DrainReason::Stop => "the cluster stops",
    }
}

fn why_it_is_replaced(cause: ReplaceCause) -> &'static str {
    match cause {
        ReplaceCause::Asked => "it asked for that",
        ReplaceCause::Connections => "it has accepted as many connections as it may",
        ReplaceCause::Memory => "it uses more memory than it may",
        ReplaceCause::Lifetime => "it has lived for as long as it may",
    }
}
