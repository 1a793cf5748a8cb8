//! Clusters of a user without privileges, whoever runs the tests.

use std::path::PathBuf;
use std::process::Command;

use everport_tests::{Cluster, program_for_everybody, without_privileges};

/// The programs, where that user finds them.
pub(crate) struct Unprivileged {
    _directory: tempfile::TempDir,
    everport: PathBuf,
    worker: PathBuf,
}

impl Unprivileged {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self {
            everport: program_for_everybody("everport", directory.path()),
            worker: program_for_everybody("test-worker", directory.path()),
            _directory: directory,
        }
    }

    /// `everport run <options> -- test-worker <arguments>` as that user.
    pub(crate) fn command(&self, options: &str, arguments: &str) -> Command {
        let mut command = Command::new(&self.everport);
        command
            .arg("run")
            .args(options.split_whitespace())
            .arg("--")
            .arg(&self.worker)
            .args(arguments.split_whitespace());
        without_privileges(&mut command);
        command
    }

    /// A cluster of which every slot has a ready worker.
    pub(crate) fn ready(&self, options: &str, arguments: &str) -> Cluster {
        let cluster = Cluster::spawn(self.command(options, arguments));
        cluster.wait_until_ready();
        cluster
    }
}
