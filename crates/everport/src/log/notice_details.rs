//! What each notice says beside its text and its worker, for machines. `docs/logs.md` lists it.

use std::borrow::Cow;
use std::time::Duration;

use everport_core::{AbortCause, DrainReason, ExitReason, Notice as Decision, ReplaceCause};

use super::ending::signal_name;
use super::notice_subject::Subject;
use super::{Ending, Notice, Thread, ThreadEnding};
use crate::Generation;

/// One piece of it.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Detail<'a> {
    /// It does not apply, or is not known.
    Nothing,
    Text(Cow<'a, str>),
    Number(i64),
    Count(u64),
    Bool(bool),
    Milliseconds(Duration),
    Texts(&'a [String]),
    Threads(&'a [Thread]),
}

/// Takes the pieces with their names, one by one.
pub(super) trait Details<'a> {
    fn tell(&mut self, name: &'static str, detail: Detail<'a>);
}

impl Notice {
    /// Tells everything it knows but its worker and slot.
    pub(super) fn details<'a>(&'a self, to: &mut dyn Details<'a>) {
        match self.subject() {
            Subject::Decision(decision) => tell_decision(decision, to),
            Subject::Abort => tell_abort(self, to),
            Subject::Watcher => tell_watcher(self, to),
            Subject::Port => tell_port(self, to),
            Subject::Worker => tell_worker(self, to),
        }
    }
}

impl<'a> From<&'a str> for Detail<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Detail<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<i32> for Detail<'_> {
    fn from(number: i32) -> Self {
        Self::Number(number.into())
    }
}

impl From<u32> for Detail<'_> {
    fn from(number: u32) -> Self {
        Self::Number(number.into())
    }
}

impl<'a, T: Into<Detail<'a>>> From<Option<T>> for Detail<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nothing, Into::into)
    }
}

fn tell_watcher<'a>(notice: &'a Notice, to: &mut dyn Details<'a>) {
    match notice {
        Notice::Started {
            version,
            pid,
            workers,
            program,
            threads,
        } => {
            to.tell("version", (*version).into());
            to.tell("pid", (*pid).into());
            to.tell("workers", (*workers).into());
            to.tell("program", program.as_str().into());
            to.tell("threads", Detail::Bool(*threads));
        }
        Notice::LogLevelSet { level } => to.tell("to", level.name().into()),
        Notice::Configured { path } | Notice::LogReopened { path } => {
            to.tell("path", path.display().to_string().into());
        }
        Notice::ConfigurationRefused { errors } => to.tell("errors", Detail::Texts(errors)),
        Notice::ServiceManagerUnreachable { error } => to.tell("error", error.as_str().into()),
        Notice::Stopped { reason, ran } => {
            to.tell("reason", exit_reason(*reason).into());
            to.tell("ran_ms", Detail::Milliseconds(*ran));
        }
        Notice::Overslept { gap } => to.tell("gap_ms", Detail::Milliseconds(*gap)),
        Notice::FilesChanged { path, others } => {
            to.tell("path", path.as_str().into());
            to.tell("others", Detail::Count(*others as u64));
        }
        Notice::LogTrouble { error }
        | Notice::OomScoreRefused { error }
        | Notice::WatchFailed { error } => to.tell("error", error.as_str().into()),
        _ => {}
    }
}

fn tell_worker<'a>(notice: &'a Notice, to: &mut dyn Details<'a>) {
    match notice {
        Notice::Spawned { thread, .. } => to.tell("thread", thread.as_deref().into()),
        Notice::Joined {
            library, protocol, ..
        } => {
            to.tell("library", library.as_str().into());
            to.tell("protocol", u32::from(*protocol).into());
        }
        Notice::Ended {
            ending,
            expected,
            last_lines,
            ..
        } => {
            to.tell("expected", Detail::Bool(*expected));
            tell_ending(Some(ending), to);
            to.tell("last_lines", Detail::Texts(last_lines));
        }
        Notice::HookPanicked { hook, error, .. } => {
            to.tell("hook", (*hook).into());
            to.tell("error", error.as_str().into());
        }
        Notice::SpawnFailed { error, .. }
        | Notice::KillFailed { error, .. }
        | Notice::RingRefused { error, .. }
        | Notice::RingBroken { error, .. }
        | Notice::MessagesRefused { error, .. }
        | Notice::MessagesBroken { error, .. }
        | Notice::LinkBroken { error, .. } => to.tell("error", error.as_str().into()),
        Notice::OverMemory {
            used,
            limit,
            is_proportional,
            ..
        } => {
            to.tell("used_bytes", Detail::Count(*used));
            to.tell("limit_bytes", Detail::Count(*limit));
            to.tell("proportional", Detail::Bool(*is_proportional));
        }
        Notice::Left {
            finished,
            closed,
            cut,
            ..
        } => {
            to.tell("finished", (*finished).into());
            to.tell("closed", (*closed).into());
            to.tell("cut", (*cut).into());
        }
        Notice::ThreadAbandoned { count, .. } => to.tell("count", (*count).into()),
        Notice::ThreadEnded { ending, count, .. } => {
            to.tell("thread", ending.name().into());
            to.tell("failure", ending.failure().into());
            to.tell("count", (*count).into());
        }
        Notice::Suspended { stopped, .. } => to.tell("stopped", Detail::Bool(*stopped)),
        Notice::Silent { lasts, .. } => to.tell("lasts_ms", Detail::Milliseconds(*lasts)),
        Notice::Heard { lasted, .. } => to.tell("lasted_ms", Detail::Milliseconds(*lasted)),
        Notice::Stuck {
            threads,
            last_lines,
            ..
        } => {
            to.tell("threads", Detail::Threads(threads));
            to.tell("last_lines", Detail::Texts(last_lines));
        }
        _ => {}
    }
}

fn tell_port<'a>(notice: &'a Notice, to: &mut dyn Details<'a>) {
    match notice {
        Notice::PortOpened {
            address,
            sharing,
            passed_in_as,
        } => {
            to.tell("address", address.to_string().into());
            to.tell("sharing", sharing.to_string().into());
            to.tell("passed_in_as", passed_in_as.as_deref().into());
        }
        Notice::PortClosed {
            address,
            passed_in_as,
        } => {
            to.tell("address", address.to_string().into());
            to.tell("passed_in_as", passed_in_as.as_deref().into());
        }
        Notice::PortMended { address } => to.tell("address", address.to_string().into()),
        Notice::PassedSocketRefused {
            descriptor,
            name,
            error,
        } => {
            to.tell("descriptor", (*descriptor).into());
            to.tell("name", name.as_str().into());
            to.tell("error", error.to_string().into());
        }
        Notice::PassedSocketUnused { name, address } => {
            to.tell("name", name.as_str().into());
            to.tell("address", address.to_string().into());
        }
        Notice::PortRefused { error, .. } | Notice::MendFailed { error } => {
            to.tell("address", error.address.to_string().into());
            to.tell("error", error.cause.to_string().into());
        }
        Notice::SteeringRefused { address, error } | Notice::AcceptRefused { address, error } => {
            to.tell("address", address.to_string().into());
            to.tell("error", error.as_str().into());
        }
        Notice::BacklogClamped { asked, limit } => {
            to.tell("asked", (*asked).into());
            to.tell("limit", (*limit).into());
        }
        _ => {}
    }
}

fn tell_decision(decision: &Decision, to: &mut dyn Details<'_>) {
    match *decision {
        Decision::WorkerReady { boot, .. } => to.tell("boot_ms", Detail::Milliseconds(boot)),
        Decision::ClusterReady { workers, took } => {
            to.tell("workers", workers.into());
            to.tell("took_ms", Detail::Milliseconds(took));
        }
        Decision::BootTimedOut { timeout, .. }
        | Decision::DrainTimedOut { timeout, .. }
        | Decision::HangTimedOut { timeout, .. } => {
            to.tell("timeout_ms", Detail::Milliseconds(timeout));
        }
        Decision::Draining { reason, .. } => to.tell("reason", drain_reason(reason).into()),
        Decision::BackingOff {
            failures, delay, ..
        } => {
            to.tell("failures", failures.into());
            to.tell("delay_ms", Detail::Milliseconds(delay));
        }
        Decision::CrashLooping { deaths, period, .. } => {
            to.tell("deaths", deaths.into());
            to.tell("period_ms", Detail::Milliseconds(period));
        }
        Decision::ReplacementStarted { cause, .. } => {
            to.tell("cause", replace_cause(cause).into());
        }
        Decision::RolloutStarted { .. }
        | Decision::RolloutFinished { .. }
        | Decision::RolloutAborted { .. }
        | Decision::RolledBack { .. } => tell_rollout(decision, to),
        Decision::Scaled { from, to: now } => {
            to.tell("from", from.into());
            to.tell("to", now.into());
        }
        Decision::Leaving { delay } => to.tell("delay_ms", Detail::Milliseconds(delay)),
        Decision::Stopping { reason } => to.tell("reason", exit_reason(reason).into()),
        Decision::RestartCoalesced | Decision::RestartRefused => {}
    }
}

fn tell_rollout(decision: &Decision, to: &mut dyn Details<'_>) {
    match *decision {
        Decision::RolloutStarted { generation, from } => {
            to.tell("generation", Detail::Count(generation.0));
            to.tell("from", Detail::Count(from.0));
        }
        Decision::RolloutFinished { generation, took } => {
            to.tell("generation", Detail::Count(generation.0));
            to.tell("took_ms", Detail::Milliseconds(took));
        }
        Decision::RolledBack {
            generation,
            took,
            slots,
        } => {
            to.tell("generation", Detail::Count(generation.0));
            to.tell("took_ms", Detail::Milliseconds(took));
            to.tell("slots", slots.into());
        }
        Decision::RolloutAborted {
            generation,
            back_to,
            cause,
            moved,
            ..
        } => {
            tell_abort_decision([generation, back_to], cause, moved, to);
            tell_ending(None, to);
            to.tell("error", Detail::Nothing);
            to.tell("last_lines", Detail::Texts(&[]));
        }
        _ => {}
    }
}

fn tell_abort<'a>(notice: &'a Notice, to: &mut dyn Details<'a>) {
    if let Notice::RolloutAborted(aborted) = notice {
        let generations = [aborted.generation, aborted.back_to];
        tell_abort_decision(generations, aborted.cause, aborted.moved, to);
        tell_ending(aborted.ending.as_ref(), to);
        to.tell("error", aborted.error.as_deref().into());
        to.tell("last_lines", Detail::Texts(&aborted.last_lines));
    }
}

fn tell_abort_decision(
    [generation, back_to]: [Generation; 2],
    cause: AbortCause,
    moved: u32,
    to: &mut dyn Details<'_>,
) {
    to.tell("generation", Detail::Count(generation.0));
    to.tell("back_to", Detail::Count(back_to.0));
    to.tell("cause", abort_cause(cause).into());
    to.tell("moved", moved.into());
}

/// How a worker ended, if it has.
fn tell_ending<'a>(ending: Option<&'a Ending>, to: &mut dyn Details<'a>) {
    let code = ending.and_then(|ending| ending.code);
    let signal = ending.and_then(|ending| ending.signal);
    to.tell("code", code.into());
    to.tell("signal", signal.into());
    to.tell("signal_name", signal.and_then(signal_name).into());
    let out_of_memory = ending.is_some_and(|ending| ending.out_of_memory);
    to.tell("out_of_memory", Detail::Bool(out_of_memory));
    let thread = ending.and_then(|ending| ending.thread.as_ref());
    to.tell("thread", thread.map(ThreadEnding::name).into());
    let failure = thread.and_then(ThreadEnding::failure);
    to.tell("failure", failure.into());
}

fn exit_reason(reason: ExitReason) -> &'static str {
    match reason {
        ExitReason::Stopped => "stopped",
        ExitReason::Forced => "forced",
        ExitReason::NeverReady => "never_ready",
        ExitReason::CrashLoop => "crash_loop",
    }
}

fn drain_reason(reason: DrainReason) -> &'static str {
    match reason {
        DrainReason::Rollout => "rollout",
        DrainReason::Replaced => "replaced",
        DrainReason::ScaleDown => "scale_down",
        DrainReason::Stop => "stop",
    }
}

fn replace_cause(cause: ReplaceCause) -> &'static str {
    match cause {
        ReplaceCause::Asked => "asked",
        ReplaceCause::Connections => "connections",
        ReplaceCause::Memory => "memory",
        ReplaceCause::Lifetime => "lifetime",
    }
}

fn abort_cause(cause: AbortCause) -> &'static str {
    match cause {
        AbortCause::SpawnFailed => "spawn_failed",
        AbortCause::DiedBooting => "died_booting",
        AbortCause::BootTimedOut => "boot_timed_out",
        AbortCause::Hung => "hung",
        AbortCause::DiedReady => "died_ready",
    }
}
