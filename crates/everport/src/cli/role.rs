//! The part a self-contained program plays in this process: worker, or its own watcher.

use std::process::ExitCode;

use super::run::{CommandError, run};
use super::{ClusterArgs, ExitCode as Code};
use crate::watcher::Program;
use crate::{Cluster, JoinError};

/// What this process is.
#[derive(Debug)]
pub enum Role {
    /// It serves: as a worker of a watcher, or standalone.
    Worker(Cluster),
    /// It was the watcher of a cluster that has ended: exit with this code. What went wrong was told on
    /// standard error.
    Watched(ExitCode),
}

impl ClusterArgs {
    /// Makes a program its own watcher. Started by a watcher, it joins as a worker. Else, if `--workers`
    /// was given, it runs a cluster whose workers run the same executable with the same arguments, as the
    /// command would, until that ends. Else it is standalone.
    ///
    /// Call it first, before anything is opened that workers should not hold twice.
    ///
    /// ```no_run
    /// use clap::Parser;
    /// use everport::cli::{ClusterArgs, Role};
    ///
    /// #[derive(Parser)]
    /// struct Flags {
    ///     #[command(flatten)]
    ///     cluster: ClusterArgs,
    /// }
    ///
    /// # async fn serve(_: everport::Cluster) {}
    /// # async fn example() -> Result<std::process::ExitCode, everport::JoinError> {
    /// match Flags::parse().cluster.join().await? {
    ///     Role::Watched(code) => Ok(code),
    ///     Role::Worker(cluster) => {
    ///         serve(cluster).await;
    ///         Ok(std::process::ExitCode::SUCCESS)
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Not cancel safe: a cancelled worker cannot join again, a cancelled watcher leaves its workers to
    /// notice that it is gone.
    ///
    /// # Errors
    /// When there is a link that does not work.
    pub async fn join(self) -> Result<Role, JoinError> {
        if self.workers.is_none() || crate::cluster::inherited_link() {
            let builder = Cluster::builder().standalone_shutdown_timeout(self.shutdown_timeout);
            return builder.join().await.map(Role::Worker);
        }
        let code = match watch_ourselves(&self).await {
            Ok(code) => code,
            Err(error) => error.report(),
        };
        Ok(Role::Watched(code.into()))
    }
}

async fn watch_ourselves(args: &ClusterArgs) -> Result<Code, CommandError> {
    run(args, Program::current()?.args(std::env::args_os().skip(1))).await
}
