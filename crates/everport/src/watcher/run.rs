//! The watcher and its run: waits for whatever comes next.

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use everport_core::ExitReason;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::event_loop::EventLoop;
use super::handle::Desk;
use super::pinning::Pinning;
use super::rehearsal::rehearse;
use super::worker_thread::ThreadMain;
use super::workforce::{Workforce, check_for_processes, check_for_threads};
use super::{Builder, Handle, MainError, Program, StartError};
use crate::messages::{Endpoint, LIMITS, Peer};
use crate::{Cluster, WorkerId};

/// Holds every port of a cluster and keeps its workers running.
///
/// [`Watcher::builder`] is for workers that are processes, [`Watcher::threads`] for workers that are threads of this one;
/// [`Watcher::run`] is the cluster. [`Handle`] is what the program has in hand while it runs.
///
/// It installs no signal handlers and waits for no child but its workers, so that any program can embed
/// it. What it changes about the process: when it is built, the soft limit on open files is raised to the hard one; when the
/// first worker's thread starts, a panic hook is set, for good: see [`Watcher::threads`].
pub struct Watcher {
    builder: Builder,
    open_files: Rlimit,
    pinning: Option<Pinning>,
    desk: Arc<Desk>,
    messages: Endpoint,
    end: End,
}

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watcher")
            .field("builder", &self.builder)
            .finish_non_exhaustive()
    }
}

/// Tells those who wait for the watcher that it has ended, or never will run.
pub(super) struct End {
    desk: Arc<Desk>,
    messages: Endpoint,
}

impl Drop for End {
    fn drop(&mut self) {
        self.desk.close();
        self.messages.give_up_waiting();
    }
}

/// Why a watcher ended other than by the supervisor's decision.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The system refused something without which the watcher cannot go on.
    #[error("the watcher failed")]
    System(#[from] io::Error),
    /// This worker's thread hung and could not be ended, and [`Builder::exit_on_abandoned_thread`] had the cluster stop
    /// for that. The thread goes on as long as the process does.
    #[error(
        "stopped because the thread of worker {0} hung and cannot be ended (end the process, and start it anew)"
    )]
    ThreadAbandoned(WorkerId),
}

impl Watcher {
    /// A watcher for workers that are processes and run `program`: another program, or [this one](Program::current)
    /// started again. What the [`Builder`] is not told has its default; there are as many workers as CPUs then.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// use everport::Watcher;
    /// use everport::watcher::Program;
    ///
    /// let program = Program::find("./server")?.args(["--listen", "0.0.0.0:8080"]);
    /// let watcher = Watcher::builder(program).workers(4).build()?;
    /// let handle = watcher.handle();
    /// let running = tokio::spawn(watcher.run());
    /// handle.ready().await?; // every slot has a worker that serves
    ///
    /// handle.restart().await?; // a rollout, to its end
    ///
    /// handle.stop();
    /// running.await??;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(program: Program) -> Builder {
        Builder::new(Workforce::Processes(program))
    }

    /// A watcher for `workers` workers that are threads of this process. Each has a thread of its own, named
    /// `worker-<id>`, with a current-thread runtime, on which `main` is called with the worker's own
    /// [`Cluster`](crate::Cluster): it is joined already. The future of `main` lives on that thread alone and need not be
    /// `Send`. When it resolves, or panics, the worker has ended, as a process ends with its main function.
    ///
    /// The process gets a panic hook with it, for as long as it lives: it notes where a worker's thread panicked, for the
    /// log, and passes every panic on to the hook that was there before. A hook that is set later should do so, too.
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
        check_message_limit(builder.message_limit)?;
        match &builder.workforce {
            Workforce::Processes(program) => {
                check_for_processes(&builder)?;
                rehearse(&builder.privileges, program)?;
            }
            Workforce::Threads(_) => check_for_threads(&builder)?,
        }
        let pinning = builder.pin.then(Pinning::of_this_process).transpose();
        let pinning = pinning.map_err(StartError::CannotPin)?;
        let desk: Arc<Desk> = Arc::default();
        let messages = application(&desk);
        Ok(Self {
            builder,
            open_files: raise_open_files()?,
            pinning,
            end: End {
                desk: Arc::clone(&desk),
                messages: messages.clone(),
            },
            desk,
            messages,
        })
    }

    /// What commands go through.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.desk), self.messages.clone())
    }

    /// Runs the cluster until it ends: a future to await, or to spawn as a task. Needs a tokio runtime of either
    /// flavour, with I/O and time.
    ///
    /// Not cancel safe: to end the cluster, call [`Handle::stop`] and wait for this. When it is dropped, or its task
    /// aborted, links and listening sockets are closed with it. New connections are refused then, those that were
    /// queued and not accepted are reset, and the workers drain and leave by themselves within the shutdown timeout,
    /// without anybody who waits for them. Whoever waits for something by a [`Handle`] is told that the watcher
    /// has ended.
    ///
    /// # Errors
    /// When the system refuses something without which the watcher cannot go on, or a thread was abandoned and the
    /// cluster was to stop for that.
    pub async fn run(self) -> Result<ExitReason, RunError> {
        let (event_loop, _end) = self.into_loop()?;
        event_loop.run().await
    }

    /// The loop, and what has to outlive it.
    pub(super) fn into_loop(self) -> io::Result<(EventLoop, End)> {
        let (desk, messages) = (self.desk, self.messages);
        let event_loop =
            EventLoop::new(self.builder, self.open_files, self.pinning, desk, messages)?;
        Ok((event_loop, self.end))
    }
}

fn check_message_limit(bytes: u64) -> Result<(), StartError> {
    match u32::try_from(bytes).is_ok_and(|bytes| LIMITS.contains(&bytes)) {
        true => Ok(()),
        false => Err(StartError::MessageLimit(bytes)),
    }
}

/// The endpoint of the application that the watcher is embedded in, which asks for its socket when it is used.
fn application(desk: &Arc<Desk>) -> Endpoint {
    let desk = Arc::clone(desk);
    let open = move || {
        desk.ask_for_messages();
        Ok(())
    };
    Endpoint::of_runtime_to_come(Peer::Watcher, Box::new(open))
}

/// What this process's limit on open files was before a watcher has raised it, and what it was raised to.
static RAISED: Mutex<Option<(Rlimit, Rlimit)>> = Mutex::new(None);

/// A worker needs at least four descriptors of the watcher, and two more for its records, so the soft limit on
/// open files goes up to the hard one. Returns the limit as it was without watchers, which workers start with.
fn raise_open_files() -> io::Result<Rlimit> {
    let mut earlier = RAISED.lock().unwrap_or_else(PoisonError::into_inner);
    let before = before_raising(getrlimit(Resource::Nofile), *earlier);
    let raised = Rlimit {
        current: before.maximum,
        maximum: before.maximum,
    };
    setrlimit(Resource::Nofile, raised)?;
    *earlier = Some((before, raised));
    Ok(before)
}

/// The limit as it would be without us: what another watcher of this process has raised counts as it was before, unless
/// somebody has changed it since.
fn before_raising(now: Rlimit, earlier: Option<(Rlimit, Rlimit)>) -> Rlimit {
    match earlier {
        Some((before, raised)) if raised == now => before,
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workers_of_a_second_watcher_start_with_the_limit_that_the_first_one_found() {
        let limit = |current, maximum| Rlimit {
            current: Some(current),
            maximum: Some(maximum),
        };
        let (before, raised) = (limit(1024, 4096), limit(4096, 4096));
        assert_eq!(before_raising(before, None), before);
        assert_eq!(before_raising(raised, Some((before, raised))), before);
        let of_the_application = limit(2048, 4096);
        let after_a_change = before_raising(of_the_application, Some((before, raised)));
        assert_eq!(after_a_change, of_the_application);
    }

    #[test]
    fn raising_twice_tells_the_same() {
        assert_eq!(raise_open_files().unwrap(), raise_open_files().unwrap());
        let now = getrlimit(Resource::Nofile);
        assert_eq!(now.current, now.maximum);
    }
}
