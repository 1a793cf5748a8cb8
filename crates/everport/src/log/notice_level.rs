//! How much each notice matters.

use std::time::Duration;

use everport_core::{ExitReason, Notice as Decision};

use super::{Level, Notice};

impl Notice {
    /// How much it matters.
    #[must_use]
    pub fn level(&self) -> Level {
        match self {
            Self::Supervisor(decision) => decision_level(decision),
            Self::SpawnFailed { .. }
            | Self::RolloutAborted(_)
            | Self::NeverJoined { .. }
            | Self::PortRefused { .. }
            | Self::MendFailed { .. }
            | Self::KillFailed { .. }
            | Self::HookPanicked { .. }
            | Self::ThreadAbandoned { .. }
            | Self::LinkBroken { .. }
            | Self::ConfigurationRefused { .. }
            | Self::MessagesBroken { .. }
            | Self::RingBroken { .. } => Level::Error,
            Self::Ended {
                expected: false, ..
            } => Level::Error,
            Self::Ended { ending, .. } if !ending.is_success() => Level::Warn,
            Self::Left { cut: 1.., .. }
            | Self::OverMemory { .. }
            | Self::WatchFailed { .. }
            | Self::Suspended { stopped: true, .. }
            | Self::Stuck { .. }
            | Self::Overslept { .. }
            | Self::LogTrouble { .. }
            | Self::RingRefused { .. }
            | Self::MessagesRefused { .. }
            | Self::BacklogClamped { .. }
            | Self::SteeringRefused { .. }
            | Self::AcceptRefused { .. }
            | Self::PassedSocketRefused { .. }
            | Self::PassedSocketUnused { .. }
            | Self::ServiceManagerUnreachable { .. }
            | Self::PortMended { .. } => Level::Warn,
            Self::Silent { lasts: time, .. } if *time >= NOTEWORTHY => Level::Warn,
            Self::Heard { lasted: time, .. } if *time >= NOTEWORTHY => Level::Info,
            Self::Joined { .. }
            | Self::Silent { .. }
            | Self::Heard { .. }
            | Self::OomScoreRefused { .. } => Level::Debug,
            Self::Started { .. }
            | Self::Configured { .. }
            | Self::Stopped { .. }
            | Self::FilesChanged { .. }
            | Self::Spawned { .. }
            | Self::Ended { .. }
            | Self::ThreadEnded { .. }
            | Self::Left { .. }
            | Self::Suspended { .. }
            | Self::LogLevelSet { .. }
            | Self::LogReopened { .. }
            | Self::PortOpened { .. }
            | Self::PortClosed { .. } => Level::Info,
        }
    }
}

/// From when on a silence is worth a line that everybody sees; a worker that is only busy is heard before.
const NOTEWORTHY: Duration = Duration::from_secs(1);

fn decision_level(decision: &Decision) -> Level {
    match decision {
        Decision::BootTimedOut { .. }
        | Decision::HangTimedOut { .. }
        | Decision::CrashLooping { .. }
        | Decision::RolloutAborted { .. }
        | Decision::Stopping {
            reason: ExitReason::NeverReady | ExitReason::CrashLoop,
        } => Level::Error,
        Decision::DrainTimedOut { .. }
        | Decision::BackingOff { .. }
        | Decision::RestartRefused
        | Decision::RolledBack { .. }
        | Decision::Stopping {
            reason: ExitReason::Forced,
        } => Level::Warn,
        Decision::WorkerReady { .. }
        | Decision::ClusterReady { .. }
        | Decision::Draining { .. }
        | Decision::ReplacementStarted { .. }
        | Decision::RolloutStarted { .. }
        | Decision::RestartCoalesced
        | Decision::RolloutFinished { .. }
        | Decision::Scaled { .. }
        | Decision::Leaving { .. }
        | Decision::Stopping {
            reason: ExitReason::Stopped,
        } => Level::Info,
    }
}
