//! Joins a cluster, or runs standalone.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Cluster;
use super::beats::answer_beats;
use super::conduct::conduct;
use super::ending::{End, end_process};
use super::error::JoinError;
use super::guard::{Guard, spawn};
use super::handshake::{Received, greet};
use super::inherit::take_link;
use super::signals::Signals;
use super::state::State;
use super::title;
use crate::link::WorkerEnd;

/// How to join; made by [`Cluster::builder`].
#[derive(Debug, Clone)]
#[must_use]
pub struct ClusterBuilder {
    is_explicit: bool,
    standalone_timeout: Duration,
}

/// What differs between a process and a test.
pub(super) struct Surroundings {
    pub(super) catches_signals: bool,
    /// Whether the watcher is asked for a ring.
    pub(super) logs_records: bool,
    pub(super) end: End,
}

impl ClusterBuilder {
    pub(super) fn new() -> Self {
        Self {
            is_explicit: false,
            standalone_timeout: Duration::from_secs(30), // the watcher's default, too
        }
    }

    /// The worker is ready when it calls [`Cluster::ready`], and not before.
    pub fn explicit_ready(mut self) -> Self {
        self.is_explicit = true;
        self
    }

    /// How long a drain may take when this process runs standalone. Default 30 s. In a cluster the
    /// watcher decides.
    pub fn standalone_shutdown_timeout(mut self, timeout: Duration) -> Self {
        self.standalone_timeout = timeout;
        self
    }

    /// Joins the cluster whose watcher started this process, or runs standalone when there is none.
    ///
    /// From then on this process has a small thread that learns of the watcher's death and ends the
    /// process with exit code 70 when it is still there after its drain and its hooks had their time.
    /// `TERM` and `INT` are handled: in a cluster the first one asks the watcher for a successor that is
    /// ready first, the second one drains at once; standalone the first one drains. One more ends the
    /// process with 128 and the signal's number.
    ///
    /// Needs a tokio runtime of either flavour with everything enabled (`enable_all`).
    ///
    /// # Cancel safety
    /// Not cancel safe: when the future is dropped before it resolves, the link is closed, and the
    /// process cannot join again.
    ///
    /// # Errors
    /// When there is a link that does not work: see [`JoinError`].
    pub async fn join(self) -> Result<Cluster, JoinError> {
        let surroundings = Surroundings {
            catches_signals: true,
            logs_records: cfg!(feature = "tracing"),
            end: Box::new(end_process),
        };
        // Looked for before the link is taken: afterwards another try would be too late.
        Handle::try_current().map_err(|_| JoinError::NoRuntime)?;
        match take_link()? {
            Some(link) => {
                title::repair();
                self.join_through(link, surroundings).await
            }
            None => self.stand_alone(surroundings),
        }
    }

    pub(super) async fn join_through(
        self,
        link: OwnedFd,
        surroundings: Surroundings,
    ) -> Result<Cluster, JoinError> {
        let (cluster, _guard) = self.join_guarded(link, surroundings, |_state| {}).await?;
        Ok(cluster)
    }

    /// Joins through a link that somebody else has found. The guard thread ends when there is nothing more to guard. `met`
    /// is called on it as soon as the watcher has greeted: whoever gives up joining then has the state to retire.
    pub(super) async fn join_guarded(
        self,
        link: OwnedFd,
        surroundings: Surroundings,
        met: impl FnOnce(&Arc<State>) + Send + 'static,
    ) -> Result<(Cluster, JoinHandle<()>), JoinError> {
        let runtime = Handle::try_current().map_err(|_| JoinError::NoRuntime)?;
        let (sender, receiver) = oneshot::channel();
        let Surroundings {
            catches_signals,
            logs_records,
            end,
        } = surroundings;
        let guard = spawn(move || {
            let link = WorkerEnd::new(link);
            match self.meet(&link, logs_records, runtime) {
                Ok((state, early)) => {
                    met(&state);
                    if sender.send(Ok(Arc::clone(&state))).is_ok() {
                        Guard::new(state, Some(link), end).run(early);
                    }
                }
                // Who joined may have given up; then nobody wants to know why.
                Err(error) => drop(sender.send(Err(error))),
            }
        })?;
        let gone = || JoinError::Link("the guard thread ended".to_owned());
        let state = receiver.await.map_err(|_| gone())??;
        Ok((begin(state, catches_signals)?, guard))
    }

    pub(super) fn stand_alone(self, surroundings: Surroundings) -> Result<Cluster, JoinError> {
        let runtime = Handle::try_current().map_err(|_| JoinError::NoRuntime)?;
        let state = State::new(None, self.standalone_timeout, self.is_explicit, runtime)?;
        let state = Arc::new(state);
        let guard = Guard::new(Arc::clone(&state), None, surroundings.end);
        spawn(move || guard.run(Vec::new()))?;
        begin(state, surroundings.catches_signals)
    }

    /// Blocks. What the watcher said beside its answers is yet to be obeyed.
    fn meet(
        &self,
        link: &WorkerEnd,
        logs_records: bool,
        runtime: Handle,
    ) -> Result<(Arc<State>, Vec<Received>), JoinError> {
        let greeting = greet(link, logs_records)?;
        let greeted = Some((greeting.welcome, greeting.logging));
        let state = State::new(greeted, self.standalone_timeout, self.is_explicit, runtime)?;
        Ok((Arc::new(state), greeting.early))
    }
}

/// Starts what runs beside the application.
fn begin(state: Arc<State>, catches_signals: bool) -> Result<Cluster, JoinError> {
    if catches_signals {
        let signals = Signals::catch()?;
        tokio::spawn(signals.obey(Arc::clone(&state)));
    }
    tokio::spawn(conduct(Arc::clone(&state)));
    if state.is_worker() {
        tokio::spawn(answer_beats(Arc::clone(&state)));
    }
    Ok(Cluster::new(state))
}
