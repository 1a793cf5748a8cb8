//! What has happened over all runs, so that a simulation that no longer meets a situation is noticed.

use std::collections::BTreeMap;

use everport_core::{AbortCause, Action, DrainReason, ExitReason, Notice, ReplaceCause};

/// What a full set of runs must have met. Each name is counted by `of_notice`, `of_action` or the world.
const MUST_HAPPEN: &[&str] = &[
    "cluster ready",
    "boot timed out",
    "drain timed out",
    "backing off",
    "crash looping",
    "replacement: asked",
    "replacement: connections",
    "replacement: memory",
    "replacement: lifetime",
    "hang timed out",
    "leaving",
    "announce leaving",
    "announce leaving to a newcomer",
    "left silent in the calm",
    "converged while always replacing",
    "rollout started",
    "restart coalesced",
    "restart refused",
    "rollout finished",
    "abort: spawn failed",
    "abort: died booting",
    "abort: boot timed out",
    "abort: died ready",
    "abort: hung",
    "abort with slots to move back",
    "rolled back",
    "scaled up",
    "scaled down",
    "drain: rollout",
    "drain: replaced",
    "drain: scale down",
    "drain: stop",
    "close port",
    "close port given back",
    "gave up: boots",
    "gave up: stopped before it had settled",
    "gave up: silent",
    "gave up: silent before it had settled",
    "close slot",
    "exit: stopped",
    "exit: forced",
    "exit: never ready",
    "exit: crash loop",
    "converged",
    "restarted in the calm",
];

/// How often each situation was met.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    pub(crate) events: u64,
    met: BTreeMap<&'static str, u64>,
}

impl Coverage {
    pub(crate) fn count(&mut self, what: &'static str) {
        *self.met.entry(what).or_default() += 1;
    }

    pub(crate) fn times(&self, what: &str) -> u64 {
        self.met.get(what).copied().unwrap_or_default()
    }

    pub(crate) fn notice(&mut self, notice: &Notice) {
        self.count(of_notice(notice));
        if matches!(notice, Notice::RolloutAborted { moved: 1.., .. }) {
            self.count("abort with slots to move back");
        }
    }

    pub(crate) fn action(&mut self, action: &Action) {
        self.count(of_action(action));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.events += other.events;
        for (what, times) in &other.met {
            *self.met.entry(what).or_default() += times;
        }
    }

    pub(crate) fn assert_complete(&self) {
        let missing = MUST_HAPPEN
            .iter()
            .filter(|what| !self.met.contains_key(**what));
        let missing: Vec<_> = missing.collect();
        assert!(
            missing.is_empty(),
            "never happened: {missing:?}; happened: {:#?}",
            self.met
        );
    }
}

fn of_notice(notice: &Notice) -> &'static str {
    match notice {
        Notice::WorkerReady { .. } => "worker ready",
        Notice::ClusterReady { .. } => "cluster ready",
        Notice::BootTimedOut { .. } => "boot timed out",
        Notice::Draining { .. } => "draining",
        Notice::DrainTimedOut { .. } => "drain timed out",
        Notice::BackingOff { .. } => "backing off",
        Notice::CrashLooping { .. } => "crash looping",
        Notice::ReplacementStarted { cause, .. } => match cause {
            ReplaceCause::Asked => "replacement: asked",
            ReplaceCause::Connections => "replacement: connections",
            ReplaceCause::Memory => "replacement: memory",
            ReplaceCause::Lifetime => "replacement: lifetime",
        },
        Notice::HangTimedOut { .. } => "hang timed out",
        Notice::Leaving { .. } => "leaving",
        Notice::RolloutStarted { .. } => "rollout started",
        Notice::RestartCoalesced => "restart coalesced",
        Notice::RestartRefused => "restart refused",
        Notice::RolloutFinished { .. } => "rollout finished",
        Notice::RolloutAborted { cause, .. } => match cause {
            AbortCause::SpawnFailed => "abort: spawn failed",
            AbortCause::DiedBooting => "abort: died booting",
            AbortCause::BootTimedOut => "abort: boot timed out",
            AbortCause::Hung => "abort: hung",
            AbortCause::DiedReady => "abort: died ready",
        },
        Notice::RolledBack { .. } => "rolled back",
        Notice::Scaled { from, to } if from < to => "scaled up",
        Notice::Scaled { .. } => "scaled down",
        Notice::Stopping { .. } => "stopping",
    }
}

fn of_action(action: &Action) -> &'static str {
    match action {
        Action::Spawn { .. } => "spawn",
        Action::Drain { reason, .. } => match reason {
            DrainReason::Rollout => "drain: rollout",
            DrainReason::Replaced => "drain: replaced",
            DrainReason::ScaleDown => "drain: scale down",
            DrainReason::Stop => "drain: stop",
        },
        Action::AnnounceLeaving { .. } => "announce leaving",
        Action::Kill { .. } => "kill",
        Action::Steer { .. } => "steer",
        Action::ClosePort { .. } => "close port",
        Action::CloseSlot { .. } => "close slot",
        Action::Exit { reason } => match reason {
            ExitReason::Stopped => "exit: stopped",
            ExitReason::Forced => "exit: forced",
            ExitReason::NeverReady => "exit: never ready",
            ExitReason::CrashLoop => "exit: crash loop",
        },
    }
}
