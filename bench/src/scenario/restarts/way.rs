//! How restarts follow each other.

use std::thread;
use std::time::{Duration, Instant};

use everport::Sharing;
use everport_tests::Cluster;

use crate::subject::SHARINGS;

/// How restarts follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// One begins every two seconds.
    EveryTwoSeconds,
    /// One after the other, each worker settling for as long as it does by default.
    Settling,
    /// One after the other as fast as it goes, which keeps a core busy with starting programs.
    Endless,
}

pub(super) const WAYS: [Way; 3] = [Way::EveryTwoSeconds, Way::Settling, Way::Endless];

impl Way {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EveryTwoSeconds => "every 2 s",
            Self::Settling => "settle 1 s",
            Self::Endless => "one after the other",
        }
    }

    pub(super) fn slug(self) -> &'static str {
        match self {
            Self::EveryTwoSeconds => "every-2-s",
            Self::Settling => "settle-1",
            Self::Endless => "settle-0",
        }
    }

    pub(super) fn settle(self) -> &'static str {
        match self {
            Self::EveryTwoSeconds | Self::Endless => "--settle 0",
            Self::Settling => "--settle 1",
        }
    }

    /// How long a measurement takes.
    pub(super) fn length(self) -> Duration {
        match self {
            Self::EveryTwoSeconds | Self::Settling => EVERY,
            Self::Endless => ENDLESS,
        }
    }

    /// With settling only those of whom a figure is promised: each of its restarts takes four seconds.
    pub(super) fn sharings(self) -> &'static [Sharing] {
        match self {
            Self::EveryTwoSeconds | Self::Endless => &SHARINGS,
            Self::Settling => &[Sharing::Reuseport, Sharing::Transfer],
        }
    }

    /// Whether a limit is set to the tail.
    pub(super) fn has_limit(self) -> bool {
        self != Self::Endless
    }

    /// Restarts the cluster until the end, and says how often.
    pub(super) fn restart(self, cluster: &Cluster, begin: Instant, end: Instant) -> u64 {
        // In the middle of a short measurement, early in a long one.
        let mut next = match self {
            Self::EveryTwoSeconds => begin + (end - begin).min(EVERY) / 4,
            Self::Settling | Self::Endless => begin,
        };
        let mut restarts = 0;
        while next < end {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            cluster.restart();
            restarts += 1;
            next = match self {
                Self::EveryTwoSeconds => next + EVERY,
                Self::Settling | Self::Endless => Instant::now(),
            };
        }
        restarts
    }
}

const EVERY: Duration = Duration::from_secs(2);
/// How long a measurement with restarts one after the other takes.
pub(super) const ENDLESS: Duration = Duration::from_millis(600);
