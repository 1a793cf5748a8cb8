//! What is particular to each peer.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::super::{Missing, Version};
use super::group::{in_session, send};
use super::installed::peers_directory;
use rustix::process::Signal;

/// How a peer is found, started and restarted: as its own documentation advises for production.
pub(crate) trait Recipe: Sync {
    /// Its version, with those of what it needs.
    fn find(&self) -> Result<Version, Missing>;

    /// The command that stays in the foreground as its manager.
    fn command(&self, place: &Place) -> anyhow::Result<Command>;

    /// Has it replace its workers; that they are replaced is seen from outside.
    fn restart(&self, place: &Place, manager: u32) -> anyhow::Result<()>;

    /// Whether its manager may not hear that when it has only just started.
    fn may_miss_a_restart(&self) -> bool {
        false
    }

    /// How many processes the manager has beside itself when all is well.
    fn processes(&self, workers: u32) -> usize {
        workers as usize
    }

    /// Whether it lives on without one of them.
    fn can_lose_a_process(&self) -> bool {
        true
    }

    /// Whether a process with this command line serves.
    fn serves(&self, _command_line: &str) -> bool {
        true
    }
}

/// Where a peer is started.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// It listens on this port of 127.0.0.1.
    pub(super) port: u16,
    pub(super) workers: u32,
    /// A directory of its own, also its home.
    pub(super) directory: PathBuf,
}

impl Place {
    /// A program with a session of its own, in this place.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = in_session(program);
        self.prepare(&mut command);
        command
    }

    /// Tells a program where it is, and keeps it from looking elsewhere.
    pub(super) fn prepare(&self, command: &mut Command) {
        command
            .current_dir(&self.directory)
            .env("HOME", &self.directory)
            .env_remove("XDG_RUNTIME_DIR")
            .env("PM2_HOME", &self.directory)
            .env("PYTHONPATH", peers_directory())
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .env("BENCH_PORT", self.port.to_string())
            .env("BENCH_WORKERS", self.workers.to_string());
    }
}

/// Tells a manager by a signal.
pub(super) fn signal(manager: u32, signal: Signal) -> anyhow::Result<()> {
    Ok(send(manager, signal)?)
}
