//! The files that the command writes.

use std::path::PathBuf;

use super::ClusterArgs;
use crate::log::path_with_pid;

impl ClusterArgs {
    /// The files that the command writes itself if it runs in this process: its log and its pid file. Whatever looks at
    /// files for changes should pass over them, and over those that the log leaves when it is rotated.
    pub fn own_files(&self) -> impl Iterator<Item = PathBuf> {
        let log = self.log.log_file.as_deref();
        let log = log.map(|path| path_with_pid(path, std::process::id()));
        log.into_iter().chain(self.pid_file.clone())
    }
}
