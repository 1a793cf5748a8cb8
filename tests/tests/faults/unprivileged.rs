//! Runs clusters as a user without privileges, whoever runs the tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use everport_tests::{Cluster, program};

/// `nobody`, on most systems: a user that owns nothing.
const NOBODY: u32 = 65_534;

/// Makes the command one of a user without privileges, if we have any.
pub(crate) fn as_nobody(command: &mut Command) {
    if rustix::process::geteuid().is_root() {
        // std gives up the other groups together with the user.
        command.uid(NOBODY).gid(NOBODY);
    }
}

/// A place where that user finds the programs: the build may be where it cannot look.
pub(crate) struct Unprivileged {
    directory: tempfile::TempDir,
}

impl Unprivileged {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["everport", "test-worker"] {
            fs::copy(program(name), directory.path().join(name)).unwrap();
        }
        Self { directory }
    }

    /// `everport run <options> -- test-worker <arguments>` as that user.
    pub(crate) fn command(&self, options: &str, arguments: &str) -> Command {
        let mut command = Command::new(self.program("everport"));
        command
            .arg("run")
            .args(options.split_whitespace())
            .arg("--")
            .arg(self.program("test-worker"))
            .args(arguments.split_whitespace());
        as_nobody(&mut command);
        command
    }

    /// A cluster of which every slot has a ready worker.
    pub(crate) fn ready(&self, options: &str, arguments: &str) -> Cluster {
        let cluster = Cluster::spawn(self.command(options, arguments));
        cluster.wait_until_ready();
        cluster
    }

    fn program(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }
}
