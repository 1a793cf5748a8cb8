//! The watcher and its run: waits for whatever comes next.

use std::io;
use std::sync::Arc;

use everport_core::ExitReason;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::event_loop::EventLoop;
use super::handle::Desk;
use super::rehearsal::rehearse;
use super::worker_thread::ThreadMain;
use super::workforce::{Workforce, check_for_threads};
use super::{Builder, Handle, MainError, Program, StartError};
use crate::Cluster;

/// Holds every port of a cluster and keeps its workers running.
///
/// It installs no signal handlers and waits for no child but its workers, so that any program can embed
/// it. Dropped while it runs, it closes the links: the workers drain and leave by themselves.
pub struct Watcher {
    builder: Builder,
    open_files: Rlimit,
    desk: Arc<Desk>,
}

/// Why a watcher ended other than by the supervisor's decision.
#[derive(Debug, thiserror::Error)]
#[error("the watcher failed")]
pub struct RunError(#[from] io::Error);

impl Watcher {
    /// A watcher for workers that run `program`.
    pub fn builder(program: Program) -> Builder {
        Builder::new(Workforce::Processes(program))
    }

    /// A watcher for `workers` workers that are threads of this process. Each has a thread of its own, named
    /// `worker-<id>`, with a current-thread runtime, on which `main` is called with the worker's own
    /// [`Cluster`](crate::Cluster): it is joined already. The future of `main` lives on that thread alone and need not be
    /// `Send`. When it resolves, or panics, the worker has ended, as a process ends with its main function.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use everport::{Cluster, ListenError, Watcher};
    ///
    /// async fn serve(cluster: Cluster) -> Result<(), ListenError> {
    ///     let listener = cluster.listen("127.0.0.1:8080").await?;
    ///     # drop(listener);
    ///     Ok(())
    /// }
    ///
    /// Watcher::threads(4, serve).build()?.run().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn threads<Main, E, Kind>(workers: u32, main: Main) -> Builder
    where
        Main: AsyncFn(Cluster) -> Result<(), E> + Send + Sync + 'static,
        E: MainError<Kind>,
    {
        Builder::new(Workforce::Threads(ThreadMain::new(main))).workers(workers)
    }

    pub(crate) fn new(builder: Builder) -> Result<Self, StartError> {
        if builder.workers == 0 {
            return Err(StartError::NoWorkers);
        }
        match &builder.workforce {
            Workforce::Processes(program) => rehearse(&builder.privileges, program)?,
            Workforce::Threads(_) => check_for_threads(&builder)?,
        }
        Ok(Self {
            builder,
            open_files: raise_open_files()?,
            desk: Arc::default(),
        })
    }

    /// What commands go through.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.desk))
    }

    /// Runs the cluster until it ends. Needs a tokio runtime with I/O and time. Not cancel safe: when it is
    /// dropped the workers are left to drain by themselves.
    ///
    /// # Errors
    /// When the system refuses something without which the watcher cannot go on.
    pub async fn run(self) -> Result<ExitReason, RunError> {
        let desk = Arc::clone(&self.desk);
        let result = EventLoop::new(self.builder, self.open_files, self.desk)?
            .run()
            .await;
        desk.close();
        Ok(result?)
    }
}

/// A worker needs at least four descriptors of the watcher, and two more for its records, so the soft limit on
/// open files goes up to the hard one. Returns the limit as it was, which workers start with.
fn raise_open_files() -> io::Result<Rlimit> {
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, raised)?;
    Ok(before)
}
