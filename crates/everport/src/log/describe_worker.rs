//! The line of text of each notice about a worker.

use std::fmt;

use super::describe::{Counted, Who, write_last_lines};
use super::duration::Readable;
use super::escape::escape_display;
use super::size::Mebibytes;
use super::{Level, Notice, Thread};

pub(super) fn describe_worker(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    let Some((worker, slot)) = notice.worker() else {
        return Ok(());
    };
    let who = Who(worker, slot);
    match notice {
        Notice::Spawned { .. }
        | Notice::Joined { .. }
        | Notice::NeverJoined { .. }
        | Notice::Left { .. }
        | Notice::Ended { .. }
        | Notice::ThreadEnded { .. } => describe_life(f, &who, notice),
        Notice::SpawnFailed { .. }
        | Notice::KillFailed { .. }
        | Notice::HookPanicked { .. }
        | Notice::LinkBroken { .. }
        | Notice::RingRefused { .. }
        | Notice::RingBroken { .. }
        | Notice::MessagesRefused { .. }
        | Notice::MessagesBroken { .. } => describe_failure(f, &who, notice),
        _ => describe_conduct(f, &who, notice),
    }
}

/// Its beginning and its end.
fn describe_life(f: &mut fmt::Formatter<'_>, who: &Who, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::Spawned {
            generation,
            pid,
            thread: None,
            ..
        } => write!(f, "{who} started: pid {pid}, generation {generation}"),
        Notice::Spawned {
            generation,
            thread: Some(thread),
            ..
        } => write!(f, "{who} started: thread {thread}, generation {generation}"),
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
        Notice::ThreadEnded { ending, count, .. } => write!(
            f,
            "the thread of {who} has ended after all: {ending}{}",
            StillThere(*count)
        ),
        _ => Ok(()),
    }
}

/// How many threads are abandoned, if any are.
struct StillThere(u32);

impl fmt::Display for StillThere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            count => write!(f, " ({} still abandoned)", Counted(count, "thread")),
        }
    }
}

/// What could not be done for it, or what it broke.
fn describe_failure(f: &mut fmt::Formatter<'_>, who: &Who, notice: &Notice) -> fmt::Result {
    let (what, error, consequence) = match notice {
        Notice::HookPanicked { hook, error, .. } => {
            let error = escape_display(error);
            return write!(
                f,
                "{who}: a hook of the application panicked ({hook}): {error}"
            );
        }
        Notice::SpawnFailed { error, .. } => ("could not be started:", error, ""),
        Notice::KillFailed { error, .. } => ("could not be killed:", error, ""),
        Notice::LinkBroken { error, .. } => {
            ("broke the link's protocol:", error, "; its link is closed")
        }
        Notice::RingRefused { error, .. } => {
            ("gets no ring for its records and prints them:", error, "")
        }
        Notice::RingBroken { error, .. } => (
            "left no records in its ring but",
            error,
            "; its records are not taken any more",
        ),
        Notice::MessagesRefused { error, .. } => ("gets no socket for messages:", error, ""),
        Notice::MessagesBroken { error, .. } => {
            ("has lost its messages:", error, "; it goes on without them")
        }
        _ => return Ok(()),
    };
    write!(f, "{who} {what} {}{consequence}", escape_display(error))
}

/// What it does while it lives.
fn describe_conduct(f: &mut fmt::Formatter<'_>, who: &Who, notice: &Notice) -> fmt::Result {
    match notice {
        Notice::Silent { lasts, .. } => {
            write!(f, "{who} has not answered for {}", Readable(*lasts))?;
            match notice.level() {
                Level::Debug => Ok(()),
                _ => f.write_str(": new connections go to those that do"),
            }
        }
        Notice::Heard { lasted, .. } => {
            write!(f, "{who} answers again after {}", Readable(*lasted))
        }
        Notice::Stuck {
            threads,
            last_lines,
            ..
        } => describe_stuck(f, who, threads, last_lines),
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
        Notice::ThreadAbandoned { count, .. } => write!(
            f,
            "{who} hangs, and its thread cannot be ended: it is abandoned, with what it holds ({} so far; only the end of the process ends {})",
            Counted(*count, "thread"),
            if *count == 1 { "it" } else { "them" }
        ),
        Notice::Suspended { stopped: true, .. } => {
            write!(f, "{who} was stopped by a signal: it does not serve")
        }
        Notice::Suspended { .. } => write!(f, "{who} runs again"),
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
        f.write_str("\n| it said last:")?;
    }
    write_last_lines(f, last_lines)
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
