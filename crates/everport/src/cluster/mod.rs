//! The worker's side: a handle to the cluster this process belongs to.

mod beats;
mod builder;
mod conduct;
mod drain;
mod ending;
mod error;
mod guard;
mod handshake;
mod hooks;
mod inherit;
mod listen;
mod log_level;
mod membership;
mod messages;
mod outbox;
mod readiness;
mod requests;
mod signals;
mod state;
mod title;
mod worker_thread;

#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::sync::Arc;

use everport_core::{Generation, SlotId, WorkerId};

pub use builder::ClusterBuilder;
pub(crate) use drain::Phase;
#[cfg(feature = "http")]
pub(crate) use drain::Reached;
pub use drain::{Draining, Leaving, Terminated};
pub use error::{JoinError, LeaveError, ListenError};
#[cfg(feature = "cli")]
pub(crate) use inherit::inherited_link;
#[cfg(feature = "tracing")]
pub(crate) use log_level::LogLevel;
pub(crate) use membership::Membership;

use crate::{ListenOptions, PortAddress, TcpListener, ToPortAddress, UnixListener};
use outbox::LinkLost;
pub(crate) use state::State;
pub(crate) use worker_thread::{enter, join_on_thread};

/// The cluster this process belongs to, or this process alone when it runs standalone. Cheap to clone.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = everport::Cluster::join().await?;
/// let listener = cluster.listen("0.0.0.0:8080").await?;
/// loop {
///     tokio::select! {
///         accepted = listener.accept() => {
///             let (connection, client) = accepted?;
///             tokio::spawn(async move { drop((connection, client)) });
///         }
///         () = cluster.terminated() => break,
///     }
/// }
/// cluster.leave().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Cluster {
    pub(crate) state: Arc<State>,
}

impl Cluster {
    fn new(state: Arc<State>) -> Self {
        Self { state }
    }

    /// Joins the cluster whose watcher started this process, or runs standalone when there is none.
    /// [`ClusterBuilder::join`] says what this means.
    ///
    /// # Cancel safety
    /// Not cancel safe: when the future is dropped before it resolves, the process cannot join again.
    ///
    /// # Errors
    /// When there is a link that does not work: see [`JoinError`].
    pub async fn join() -> Result<Self, JoinError> {
        Self::builder().join().await
    }

    /// Whether a watcher started this process as a worker, so that [`Cluster::join`] joins its cluster; standalone, and
    /// in what a worker starts, it is not. For a program that is an application in one process and its own workers in
    /// others: ask before you join. A worker that is a thread is handed its `Cluster` and has no need to ask.
    #[must_use]
    pub fn is_worker_process() -> bool {
        inherit::inherited_link()
    }

    /// Joins with other than the default settings.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::new()
    }

    /// Listens on a TCP address. In a cluster every worker that asks for the same address gets the same
    /// port; port number 0 means the same number for all of them.
    ///
    /// # Cancel safety
    /// Cancel safe: a port that is granted too late is given back.
    ///
    /// # Errors
    /// When the address cannot be listened on, or this worker drains: see [`ListenError`].
    pub async fn listen(&self, address: impl ToPortAddress) -> Result<TcpListener, ListenError> {
        self.listen_with(address, ListenOptions::default()).await
    }

    /// Listens on a TCP address with options. The first worker that asks for a port decides them.
    ///
    /// # Cancel safety
    /// Cancel safe: a port that is granted too late is given back.
    ///
    /// # Errors
    /// As [`Cluster::listen`].
    pub async fn listen_with(
        &self,
        address: impl ToPortAddress,
        options: ListenOptions,
    ) -> Result<TcpListener, ListenError> {
        let address = PortAddress::Tcp(address.to_port_address()?);
        let accepting = listen::listen(&self.state, address, options).await?;
        Ok(TcpListener::new(accepting))
    }

    /// Listens on a Unix socket: a path, or `@name` for an abstract one.
    ///
    /// # Cancel safety
    /// Cancel safe: a port that is granted too late is given back.
    ///
    /// # Errors
    /// As [`Cluster::listen`].
    pub async fn listen_unix(&self, path: impl AsRef<Path>) -> Result<UnixListener, ListenError> {
        self.listen_unix_with(path, ListenOptions::default()).await
    }

    /// Listens on a Unix socket with options, such as its mode.
    ///
    /// # Cancel safety
    /// Cancel safe: a port that is granted too late is given back.
    ///
    /// # Errors
    /// As [`Cluster::listen`].
    pub async fn listen_unix_with(
        &self,
        path: impl AsRef<Path>,
        options: ListenOptions,
    ) -> Result<UnixListener, ListenError> {
        let address = PortAddress::unix(path);
        let accepting = listen::listen(&self.state, address, options).await?;
        Ok(UnixListener::new(accepting))
    }

    /// A listening socket for frameworks that want one of the standard library. It is non-blocking, and in
    /// a cluster shared by `transfer`.
    ///
    /// The framework accepts by itself, so the worker must say when it is [`Cluster::ready`], and must
    /// stop the framework when it is [`Cluster::draining`].
    ///
    /// Such a worker takes no part in rescue: when another one hangs or stops, this one takes what waits only
    /// as the framework sees it, and is not asked to look. That it hangs itself is found all the same, by the
    /// runtime that [`Cluster::join`] was called on; a framework that runs on another one can hang unseen. That
    /// runtime has to be kept running, or the worker counts as one that hangs.
    ///
    /// # Cancel safety
    /// Cancel safe: a port that is granted too late is given back.
    ///
    /// # Errors
    /// As [`Cluster::listen`].
    pub async fn listen_std(
        &self,
        address: impl ToPortAddress,
    ) -> Result<std::net::TcpListener, ListenError> {
        let address = address.to_port_address()?;
        listen::listen_std(&self.state, address, ListenOptions::default()).await
    }

    /// Says that this worker serves. Needed only after [`ClusterBuilder::explicit_ready`] or
    /// [`Cluster::listen_std`], or when the worker listens to nothing; otherwise a worker is ready once
    /// `accept` of every listener it was handed out, or is asking for, was polled. Saying it again does
    /// nothing.
    pub fn ready(&self) {
        self.state.say_ready();
    }

    /// From now on this worker is ready when it calls [`Cluster::ready`], and not before: as
    /// [`ClusterBuilder::explicit_ready`], for a worker that was handed its `Cluster`. Call it before the first
    /// listener is accepted from; a worker that is ready stays ready.
    pub fn explicit_ready(&self) {
        self.state.readiness.make_explicit();
    }

    /// Resolves when it is known that the cluster is going to stop: the watcher was given a drain delay, and
    /// the drain begins after that. Until then everything goes on as before; this is the time for a load
    /// balancer to learn, from a health check that fails, that it should send nothing here any more.
    ///
    /// Resolves when a drain begins, too, whatever for, so that whoever awaits this is never late. Standalone
    /// there is no delay: this resolves when the drain begins. Cancel safe.
    pub fn leaving(&self) -> Leaving {
        Leaving::new(self.state.watch_phase())
    }

    /// Whether [`Cluster::leaving`] has resolved. Cheap, for health checks.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        self.state.phase() >= Phase::Leaving
    }

    /// Whether a drain has begun. Cheap.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.state.is_draining()
    }

    /// Resolves when the drain begins: nothing more is accepted, except from ports that only this worker
    /// can empty. Cancel safe.
    pub fn draining(&self) -> Draining {
        Draining::new(self.state.watch_phase())
    }

    /// Resolves when it is safe to close what is idle: the drain has begun, nothing is accepted any more,
    /// and each accepted connection has sent its first byte or is gone, at most a second after the last
    /// one was accepted. A look that comes late, because handlers block the runtime or the machine stands still, counts
    /// for half a second at most. Made for `axum::serve(..).with_graceful_shutdown(..)`. Cancel safe.
    pub fn terminated(&self) -> Terminated {
        Terminated::new(self.state.watch_phase())
    }

    /// Registers what is to be done at the end of the drain: when [`Cluster::leave`] is called, or at the
    /// drain's deadline. Hooks run concurrently, and `leave` waits for them; at the deadline they have
    /// one second. A hook that is registered after that does not run.
    ///
    /// ```no_run
    /// # fn example(cluster: &everport::Cluster) {
    /// cluster.on_terminate(async || println!("the last words"));
    /// # }
    /// ```
    pub fn on_terminate<Hook, Done>(&self, hook: Hook)
    where
        Hook: FnOnce() -> Done + Send + 'static,
        Done: Future<Output = ()> + Send + 'static,
    {
        // Too late is documented to do nothing.
        self.state.hooks.add(Box::new(|| Box::pin(hook())));
    }

    /// Leaves the cluster: begins the drain if none is under way, waits until it is
    /// [`Cluster::terminated`] and until what `everport::http` serves has ended or the drain's deadline is
    /// over, runs the hooks, and reports what became of the connections. To be called when the server has
    /// finished, as the last thing before the process ends; the watcher kills a process that stays beyond its
    /// deadline. Called again it does nothing.
    ///
    /// Connections that are still open 50 ms later than that are reported as cut.
    ///
    /// Log records need no flush: what was logged by then has been handed over, and so has what is logged after
    /// this.
    ///
    /// # Cancel safety
    /// Not cancel safe: hooks that have begun go on, but the end of the drain may never be reported.
    ///
    /// # Errors
    /// When hooks panicked or the watcher is gone. The worker has left nevertheless.
    pub async fn leave(&self) -> Result<(), LeaveError> {
        self.state.leave_alone();
        self.state.wish_to_leave();
        self.terminated().await;
        self.state.finish_serving().await;
        self.state.let_go().await;
        let state = Arc::clone(&self.state);
        tokio::spawn(async move { state.hooks.run().await });
        let panicked = self.state.hooks.outcome().await;
        let reported = self.state.report_left().await;
        reported.map_err(|LinkLost| LeaveError::LinkLost)?;
        match panicked {
            0 => Ok(()),
            panicked => Err(LeaveError::Hooks(panicked)),
        }
    }

    /// Whether a watcher started this process; otherwise it runs standalone.
    #[must_use]
    pub fn is_worker(&self) -> bool {
        self.state.is_worker()
    }

    /// This worker's id, which no other worker of the cluster ever has. `None` standalone.
    #[must_use]
    pub fn id(&self) -> Option<WorkerId> {
        self.state.identity.as_ref().map(|identity| identity.worker)
    }

    /// The slot this worker fills. `None` standalone.
    #[must_use]
    pub fn slot(&self) -> Option<SlotId> {
        self.state.identity.as_ref().map(|identity| identity.slot)
    }

    /// The generation this worker belongs to. `None` standalone.
    #[must_use]
    pub fn generation(&self) -> Option<Generation> {
        let identity = self.state.identity.as_ref();
        identity.map(|identity| identity.generation)
    }
}
