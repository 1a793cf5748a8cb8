//! The watcher's loop: feeds the supervisor and performs what it decides.

use everport_core::ExitReason;

use super::{Builder, Handle, Program, StartError};

/// Holds every port of a cluster and keeps its workers running.
#[derive(Debug)]
pub struct Watcher {}

/// Why a watcher ended other than by the supervisor's decision.
#[derive(Debug, thiserror::Error)]
#[error("the watcher failed: {0}")]
pub struct RunError(#[from] std::io::Error);

impl Watcher {
    /// A watcher for workers that run `program`.
    pub fn builder(program: Program) -> Builder {
        Builder::new(program)
    }

    pub(crate) fn new(_builder: Builder) -> Result<Self, StartError> {
        Ok(Self {})
    }

    /// What commands go through.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {}
    }

    /// Runs the cluster until it ends.
    ///
    /// # Errors
    /// When the system refuses something without which the watcher cannot go on.
    pub async fn run(self) -> Result<ExitReason, RunError> {
        Ok(ExitReason::Stopped)
    }
}
