//! The end of a worker's life: its phases, and the futures that wait for them.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use everport_core::{DrainReason, PortId};
use tokio::sync::watch;

/// The phases of a worker in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// The cluster is going to stop. Everything goes on until the drain begins.
    Leaving,
    Draining,
    Terminated,
    /// The drain's deadline is over: what is still open is cut.
    Expired,
}

/// A drain that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Drain {
    pub(crate) reason: DrainReason,
    pub(crate) began: Instant,
    /// When the hooks run whatever is still open.
    pub(crate) deadline: Instant,
    pub(crate) emptying: Emptying,
    /// A port counts as empty when no connection came for this long.
    pub(crate) quiet: Duration,
    /// When the process ends, hooks or not.
    pub(crate) end: Instant,
}

/// Which ports to empty before accepting ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Emptying {
    /// Every port: nobody else accepts what waits there.
    All,
    /// Those that no other worker accepts from.
    Ports(Vec<PortId>),
}

/// How long a port must be quiet when nobody said: long enough for handshakes of the local network that
/// were under way when the drain began, and short enough that nobody notices a stop that takes longer.
const QUIET: Duration = Duration::from_millis(50);

impl Drain {
    /// A drain of a worker that nobody will replace: everything that waits is accepted first.
    pub(crate) fn alone(timeout: Duration) -> Self {
        Self::new(DrainReason::Stop, timeout, Emptying::All, QUIET)
    }

    /// A drain of a worker whose ports others serve.
    pub(crate) fn covered(timeout: Duration) -> Self {
        let nothing = Emptying::Ports(Vec::new());
        Self::new(DrainReason::Replaced, timeout, nothing, QUIET)
    }

    /// A drain that the watcher orders. It ends who overstays; this process does so by itself only when the
    /// watcher does not.
    pub(crate) fn ordered(
        reason: DrainReason,
        timeout: Duration,
        empty: Vec<PortId>,
        quiet: Duration,
    ) -> Self {
        let mut drain = Self::new(reason, timeout, Emptying::Ports(empty), quiet);
        drain.end += PRECEDENCE;
        drain
    }

    fn new(reason: DrainReason, timeout: Duration, emptying: Emptying, quiet: Duration) -> Self {
        let began = Instant::now();
        let timeout = timeout.min(LONGEST);
        Self {
            reason,
            began,
            deadline: began + timeout,
            emptying,
            quiet,
            end: began + timeout + HOOKS.min(timeout),
        }
    }

    pub(crate) fn empties(&self, port: PortId) -> bool {
        match &self.emptying {
            Emptying::All => true,
            Emptying::Ports(ports) => ports.contains(&port),
        }
    }
}

/// How long hooks may run after the deadline, but no longer than the drain itself.
const HOOKS: Duration = Duration::from_secs(1);

/// How long the watcher has precedence in ending a worker that overstays: it reports why.
const PRECEDENCE: Duration = Duration::from_secs(1);

/// The longest time a drain may take: a year, which any clock can add to now.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Resolves when it is known that the cluster is going to stop, before the drain begins; at the latest when
/// it begins. Can be cloned, sent and awaited anywhere.
///
/// # Cancel safety
/// Cancel safe: nothing is consumed.
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Leaving(Reached);

/// Resolves when the drain begins. From then on `accept` pends. Can be cloned, sent and awaited anywhere.
///
/// # Cancel safety
/// Cancel safe: nothing is consumed.
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Draining(Reached);

/// Resolves when it is safe to close what is idle: the drain has begun, nothing is accepted any more, and
/// each accepted connection has sent its first byte or is gone, at most a second after the last one was
/// accepted, not counting time in which this process did not run. Can be cloned, sent and awaited anywhere.
///
/// # Cancel safety
/// Cancel safe: nothing is consumed.
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Terminated(Reached);

impl Leaving {
    pub(crate) fn new(phase: watch::Receiver<Phase>) -> Self {
        Self(Reached::new(phase, Phase::Leaving))
    }
}

impl Draining {
    pub(crate) fn new(phase: watch::Receiver<Phase>) -> Self {
        Self(Reached::new(phase, Phase::Draining))
    }
}

impl Terminated {
    pub(crate) fn new(phase: watch::Receiver<Phase>) -> Self {
        Self(Reached::new(phase, Phase::Terminated))
    }
}

impl Clone for Leaving {
    fn clone(&self) -> Self {
        Self(self.0.again())
    }
}

impl Clone for Draining {
    fn clone(&self) -> Self {
        Self(self.0.again())
    }
}

impl Clone for Terminated {
    fn clone(&self) -> Self {
        Self(self.0.again())
    }
}

impl Future for Leaving {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Future for Draining {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl Future for Terminated {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// Resolves when a phase is reached.
pub(crate) struct Reached {
    phase: watch::Receiver<Phase>,
    target: Phase,
    waiting: Pin<Box<dyn Future<Output = ()> + Send + Sync>>,
}

impl Reached {
    pub(crate) fn new(phase: watch::Receiver<Phase>, target: Phase) -> Self {
        let mut watched = phase.clone();
        let waiting = Box::pin(async move {
            if watched.wait_for(|phase| *phase >= target).await.is_err() {
                // The worker's state is gone without a drain: there will never be one.
                std::future::pending::<()>().await;
            }
        });
        Self {
            phase,
            target,
            waiting,
        }
    }

    fn again(&self) -> Self {
        Self::new(self.phase.clone(), self.target)
    }
}

impl Future for Reached {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        // Polled again after it resolved, it resolves again.
        if *self.phase.borrow() >= self.target {
            return Poll::Ready(());
        }
        self.waiting.as_mut().poll(cx)
    }
}

impl std::fmt::Debug for Reached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Reached").field(&self.target).finish()
    }
}
