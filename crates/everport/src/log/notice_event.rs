//! The name of each notice's event, for machines. `docs/logs.md` lists them; none ever changes its meaning.

use everport_core::Notice as Decision;

use super::Notice;

impl Notice {
    /// What happened, as a name that stays the same: `worker_ended`. The log in JSON has it as `event`.
    #[must_use]
    pub fn event(&self) -> &'static str {
        match self {
            Self::Supervisor(decision) => decision_event(decision),
            Self::Started { .. } => "started",
            Self::Stopped { .. } => "stopped",
            Self::FilesChanged { .. } => "files_changed",
            Self::WatchFailed { .. } => "watch_failed",
            Self::Joined { .. } => "worker_joined",
            Self::NeverJoined { .. } => "worker_never_joined",
            Self::Spawned { .. } => "worker_started",
            Self::SpawnFailed { .. } => "worker_start_failed",
            Self::OverMemory { .. } => "worker_over_memory",
            Self::Ended { .. } => "worker_ended",
            Self::RolloutAborted(_) => "rollout_aborted",
            Self::Left { .. } => "worker_left",
            Self::Suspended { .. } => "worker_suspended",
            Self::Silent { .. } => "worker_silent",
            Self::Heard { .. } => "worker_heard",
            Self::Stuck { .. } => "worker_stuck",
            Self::Overslept { .. } => "watcher_overslept",
            Self::LogTrouble { .. } => "log_trouble",
            Self::LogReopened { .. } => "log_reopened",
            Self::OomScoreRefused { .. } => "oom_score_refused",
            Self::PortOpened { .. } => "port_opened",
            Self::PortClosed { .. } => "port_closed",
            Self::PortRefused { .. } => "port_refused",
            Self::BacklogClamped { .. } => "backlog_clamped",
            Self::SteeringRefused { .. } => "steering_refused",
            Self::AcceptRefused { .. } => "accept_refused",
            Self::PortMended { .. } => "port_mended",
            Self::MendFailed { .. } => "port_mend_failed",
            Self::KillFailed { .. } => "worker_kill_failed",
            Self::HookPanicked { .. } => "hook_panicked",
            Self::ThreadAbandoned { .. } => "thread_abandoned",
            Self::ThreadEnded { .. } => "thread_ended",
            Self::LinkBroken { .. } => "link_broken",
            Self::RingRefused { .. } => "ring_refused",
            Self::RingBroken { .. } => "ring_broken",
            Self::MessagesRefused { .. } => "messages_refused",
            Self::MessagesBroken { .. } => "messages_broken",
            Self::LogLevelSet { .. } => "log_level_set",
            Self::Configured { .. } => "configured",
            Self::ConfigurationRefused { .. } => "configuration_refused",
            Self::ServiceManagerUnreachable { .. } => "service_manager_unreachable",
            Self::PassedSocketRefused { .. } => "passed_socket_refused",
            Self::PassedSocketUnused { .. } => "passed_socket_unused",
        }
    }
}

fn decision_event(decision: &Decision) -> &'static str {
    match decision {
        Decision::WorkerReady { .. } => "worker_ready",
        Decision::ClusterReady { .. } => "cluster_ready",
        Decision::BootTimedOut { .. } => "boot_timed_out",
        Decision::Draining { .. } => "worker_draining",
        Decision::DrainTimedOut { .. } => "drain_timed_out",
        Decision::HangTimedOut { .. } => "hang_timed_out",
        Decision::BackingOff { .. } => "slot_backing_off",
        Decision::CrashLooping { .. } => "slot_crash_looping",
        Decision::ReplacementStarted { .. } => "replacement_started",
        Decision::RolloutStarted { .. } => "rollout_started",
        Decision::RestartCoalesced => "restart_coalesced",
        Decision::RestartRefused => "restart_refused",
        Decision::RolloutFinished { .. } => "rollout_finished",
        Decision::RolloutAborted { .. } => "rollout_aborted",
        Decision::RolledBack { .. } => "rolled_back",
        Decision::Scaled { .. } => "scaled",
        Decision::Leaving { .. } => "leaving",
        Decision::Stopping { .. } => "stopping",
    }
}
