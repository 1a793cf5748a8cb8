//! What each notice is about. Its text and its details are told by that.

use everport_core::Notice as Decision;

use super::Notice;

/// What a notice is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// What the supervisor decided.
    Decision(&'a Decision),
    /// A rollout that is given up, and the worker that failed.
    Abort,
    /// The watcher itself.
    Watcher,
    /// One worker.
    Worker,
    /// A port, or a socket that was passed in.
    Port,
}

impl Notice {
    pub(super) fn subject(&self) -> Subject<'_> {
        match self {
            Self::Supervisor(decision) => Subject::Decision(decision),
            Self::RolloutAborted(_) => Subject::Abort,
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
            | Self::OomScoreRefused { .. } => Subject::Watcher,
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
            | Self::HookPanicked { .. }
            | Self::ThreadAbandoned { .. }
            | Self::ThreadEnded { .. }
            | Self::LinkBroken { .. }
            | Self::RingRefused { .. }
            | Self::MessagesRefused { .. }
            | Self::MessagesBroken { .. }
            | Self::RingBroken { .. } => Subject::Worker,
            Self::PortOpened { .. }
            | Self::PortClosed { .. }
            | Self::PassedSocketRefused { .. }
            | Self::PassedSocketUnused { .. }
            | Self::PortRefused { .. }
            | Self::BacklogClamped { .. }
            | Self::SteeringRefused { .. }
            | Self::AcceptRefused { .. }
            | Self::MendFailed { .. }
            | Self::PortMended { .. } => Subject::Port,
        }
    }
}
