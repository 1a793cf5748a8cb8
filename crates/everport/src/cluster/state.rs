//! What the handle, the guard thread, the drain's task and the listeners of one worker share.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::num::NonZeroU64;
#[cfg(feature = "tracing")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use everport_core::{DrainReason, PortId, ReplaceCause};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::drain::{Drain, Emptying, Phase};
use super::hooks::Hooks;
use super::log_level::{LogLevel, Logging};
use super::messages;
use super::outbox::{LinkLost, Outbox};
use super::readiness::Readiness;
use super::requests::Requests;
use crate::link::{FromWorker, Welcome};
use crate::listener::{Connections, Port};
use crate::messages::Endpoint;
use crate::ring::Producer;

/// How long after a drain's beginning records are waited for: its time is for connections.
const LOG: Duration = Duration::from_secs(1);

/// How long connections may outlive their server before they count as cut. Tasks that end take microseconds, unless the
/// machine is busy.
const MOMENT: Duration = Duration::from_millis(50);

/// One worker, seen from inside.
pub(crate) struct State {
    /// `None` when this process runs standalone.
    pub(crate) identity: Option<Welcome>,
    /// How long a drain may take that nobody gave a time.
    pub(crate) shutdown_timeout: Duration,
    pub(crate) runtime: Handle,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) requests: Requests,
    /// What this worker and others say to each other.
    pub(crate) messages: Endpoint,
    pub(crate) readiness: Readiness,
    pub(crate) connections: Arc<Connections>,
    pub(crate) hooks: Hooks,
    /// Where records go, if the watcher takes them.
    ring: Option<Arc<Producer>>,
    /// Which records the watcher wants.
    pub(crate) log_level: LogLevel,
    /// The watcher's last beat, which the runtime is to answer.
    pub(crate) beats: watch::Sender<Option<u32>>,
    /// Which records are logged.
    #[cfg(feature = "tracing")]
    pub(crate) log_filter: crate::logging::SharedFilter,
    /// The log that this worker's threads share, if it is a thread itself.
    #[cfg(feature = "tracing")]
    thread_log: OnceLock<crate::logging::ThreadLog>,
    phase: watch::Sender<Phase>,
    drain: Mutex<Option<Drain>>,
    ports: Mutex<BTreeMap<PortId, Weak<dyn Port>>>,
    /// Numbers the ports of a standalone process.
    next_port: AtomicU32,
    /// Whether the application has said that it is done.
    wants_to_leave: AtomicBool,
    has_left: AtomicBool,
    /// Whether nothing of this worker runs any more: only a thread's state outlives it.
    is_over: AtomicBool,
    /// Whether the end of the drain was told to the watcher, once that is known.
    was_reported: watch::Sender<Option<bool>>,
}

impl State {
    /// Of a worker that was greeted, or of a standalone process.
    pub(crate) fn new(
        greeted: Option<(Welcome, Logging)>,
        standalone_timeout: Duration,
        is_explicit: bool,
        runtime: Handle,
    ) -> io::Result<Self> {
        let (identity, logging) = greeted.unzip();
        let timeout = identity.as_ref().map(|welcome| welcome.shutdown_timeout);
        let logging = logging.unwrap_or_default();
        let outbox = Arc::new(Outbox::new(identity.is_some())?);
        let most = identity
            .as_ref()
            .map_or(0, |welcome| welcome.max_connections);
        Ok(Self {
            messages: messages::endpoint(identity.as_ref(), &outbox, &runtime),
            connections: Arc::new(connections(most, &outbox)),
            outbox,
            identity,
            shutdown_timeout: timeout.unwrap_or(standalone_timeout),
            runtime,
            requests: Requests::new(),
            readiness: Readiness::new(is_explicit),
            hooks: Hooks::new(),
            ring: logging.ring,
            log_level: logging.level,
            beats: watch::Sender::new(None),
            #[cfg(feature = "tracing")]
            log_filter: crate::logging::SharedFilter::default(),
            #[cfg(feature = "tracing")]
            thread_log: OnceLock::new(),
            phase: watch::Sender::new(Phase::Serving),
            drain: Mutex::new(None),
            ports: Mutex::new(BTreeMap::new()),
            next_port: AtomicU32::new(0),
            wants_to_leave: AtomicBool::new(false),
            has_left: AtomicBool::new(false),
            is_over: AtomicBool::new(false),
            was_reported: watch::Sender::new(None),
        })
    }

    pub(crate) fn is_worker(&self) -> bool {
        self.identity.is_some()
    }

    /// Where this worker's records go; `None` when they are to be printed: standalone, and when the watcher had no
    /// ring to give.
    #[cfg(any(test, feature = "tracing"))]
    pub(crate) fn ring(&self) -> Option<&Arc<Producer>> {
        self.ring.as_ref()
    }

    /// Makes the calling thread one of this worker's, which is a thread itself: it shares this worker's log.
    #[cfg(feature = "tracing")]
    pub(crate) fn adopt_this_thread(&self) {
        let log = self.thread_log.get_or_init(Default::default);
        log.adopt_this_thread();
    }

    /// The log that this worker's threads share; `None` when it is a process.
    #[cfg(feature = "tracing")]
    pub(crate) fn thread_log(&self) -> Option<&crate::logging::ThreadLog> {
        self.thread_log.get()
    }

    /// Until when records may be waited for, if they are at all.
    pub(crate) fn waits_for_log_until(&self) -> Option<Instant> {
        let waits = self.ring.as_ref().is_some_and(|ring| ring.waits());
        let drain = self.current_drain();
        let drain = drain.as_ref().filter(|_| waits);
        drain.map(|drain| drain.deadline.min(drain.began + LOG))
    }

    /// Nobody takes records any more.
    pub(crate) fn close_log(&self) {
        if let Some(ring) = &self.ring {
            ring.close();
        }
    }

    /// No record is waited for any more: a drain has something else to do.
    pub(crate) fn stop_waiting_for_log(&self) {
        if let Some(ring) = &self.ring {
            ring.stop_waiting();
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    /// Whether a drain has begun. Cheap: asked for each answer.
    pub(crate) fn is_draining(&self) -> bool {
        self.connections.is_draining()
    }

    pub(crate) fn watch_phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    /// Tells the watcher, once, that this worker serves.
    pub(crate) fn say_ready(&self) {
        if !self.is_draining() && self.readiness.say() {
            // Without a link there is nobody to tell.
            self.outbox.push(FromWorker::Ready).ok();
        }
    }

    /// Begins a drain. During one it can only become shorter, and empty more ports.
    pub(crate) fn begin_drain(&self, drain: Drain) {
        let mut current = self.current_drain();
        match &mut *current {
            Some(current) => current.tighten(drain),
            None => *current = Some(drain),
        }
        drop(current);
        self.connections.begin_drain();
        // Whoever watches the phase looks at the drain again: it may have become shorter.
        self.phase
            .send_modify(|phase| *phase = (*phase).max(Phase::Draining));
        self.connections.nudge();
        self.outbox.ring(); // the guard thread has a deadline to enforce
    }

    /// Begins a drain that nobody asked for, unless one is under way, and tells the watcher.
    pub(crate) fn leave_alone(&self) {
        if self.is_draining() {
            return;
        }
        let covered = self.outbox.push(FromWorker::Leaving).is_ok();
        let drain = if covered {
            Drain::covered
        } else {
            Drain::alone
        };
        self.begin_drain(drain(self.shutdown_timeout));
    }

    /// The cluster is going to stop.
    pub(crate) fn announce_leaving(&self) {
        self.phase
            .send_modify(|phase| *phase = (*phase).max(Phase::Leaving));
    }

    /// Nothing is accepted any more, and what is idle may be closed.
    pub(crate) fn terminate(&self) {
        self.phase.send_replace(Phase::Terminated);
    }

    /// The deadline is over: what is open now is counted as cut, and whoever can cut it does.
    pub(crate) fn expire(&self) {
        self.connections.expire();
        self.phase.send_replace(Phase::Expired);
    }

    /// Waits until no connection is served by `everport::http` any more, or until the drain's deadline.
    pub(crate) async fn finish_serving(&self) {
        let mut phase = self.watch_phase();
        tokio::select! {
            () = self.connections.none_served() => {}
            _ = phase.wait_for(|phase| *phase >= Phase::Expired) => {}
        }
    }

    /// Waits a moment for connections that the server is done with: it may say that it has finished just before its tasks
    /// drop them, and they would be told as cut.
    pub(crate) async fn let_go(&self) {
        let end = Instant::now() + MOMENT;
        while self.is_worker() && self.connections.are_open() && Instant::now() < end {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn drain(&self) -> Option<Drain> {
        self.current_drain().clone()
    }

    /// When the process must be gone.
    pub(crate) fn must_end_at(&self) -> Option<Instant> {
        if self.has_left() && !self.is_worker() {
            return None; // a standalone process that has left may go on with something else
        }
        self.current_drain().as_ref().map(|drain| drain.end)
    }

    /// Whether the application has said that it is done: what it does not accept by itself any more, it
    /// never will.
    pub(crate) fn wants_to_leave(&self) -> bool {
        self.wants_to_leave.load(Ordering::SeqCst)
    }

    pub(crate) fn wish_to_leave(&self) {
        self.wants_to_leave.store(true, Ordering::SeqCst);
        self.connections.nudge();
    }

    pub(crate) fn has_left(&self) -> bool {
        self.has_left.load(Ordering::SeqCst)
    }

    /// Whether [`Self::retire`] was called.
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    /// The worker's thread has ended, or is given up on: nothing is accepted or sent for it any more, and its guard
    /// ends. Does nothing to the process.
    pub(crate) fn retire(&self) {
        self.is_over.store(true, Ordering::SeqCst);
        self.connections.begin_drain();
        self.abandon_ports();
        self.close_log();
        self.outbox.ring();
    }

    /// The worker's thread ends: what it would still accept is left for others.
    pub(crate) fn abandon_ports(&self) {
        self.ports().iter().for_each(|(_, port)| port.abandon());
    }

    /// The worker has left: tells the watcher what became of the connections, once, and waits until the frame is
    /// sent, whoever was the first to report. The process may end then.
    pub(crate) async fn report_left(self: &Arc<Self>) -> Result<(), LinkLost> {
        let is_first = !self.has_left.swap(true, Ordering::SeqCst);
        self.outbox.ring();
        if !self.is_worker() {
            return Ok(());
        }
        if is_first {
            // A task of its own: whoever called this may give up, but others may wait for it, too.
            tokio::spawn(Arc::clone(self).send_report());
        }
        let mut reported = self.was_reported.subscribe();
        let reported = reported.wait_for(Option::is_some).await;
        match reported.is_ok_and(|reported| *reported == Some(true)) {
            true => Ok(()),
            false => Err(LinkLost),
        }
    }

    async fn send_report(self: Arc<Self>) {
        let report = FromWorker::Left(self.connections.outcome());
        let was_sent = match self.outbox.push_reported(report) {
            Ok(sent) => sent.await.is_ok(),
            Err(LinkLost) => false,
        };
        self.was_reported.send_replace(Some(was_sent));
    }

    /// Makes a port known to the guard thread and to the drain; `false` when it is too late for it.
    pub(crate) fn register_port(&self, id: PortId, port: &Arc<dyn Port>) -> bool {
        self.ports_by_id().insert(id, Arc::downgrade(port));
        // Looked at after the registration: a drain that begins later finds the port.
        let is_in_time = !self.is_draining();
        if !is_in_time {
            port.stop();
        }
        is_in_time
    }

    pub(crate) fn forget_port(&self, id: PortId) {
        self.ports_by_id().remove(&id);
    }

    pub(crate) fn port(&self, id: PortId) -> Option<Arc<dyn Port>> {
        self.ports_by_id().get(&id).and_then(Weak::upgrade)
    }

    pub(crate) fn ports(&self) -> Vec<(PortId, Arc<dyn Port>)> {
        let ports = self.ports_by_id();
        let alive = ports
            .iter()
            .filter_map(|(id, port)| Some((*id, port.upgrade()?)));
        alive.collect()
    }

    pub(crate) fn next_port(&self) -> PortId {
        PortId(self.next_port.fetch_add(1, Ordering::Relaxed))
    }

    fn current_drain(&self) -> MutexGuard<'_, Option<Drain>> {
        self.drain.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ports_by_id(&self) -> MutexGuard<'_, BTreeMap<PortId, Weak<dyn Port>>> {
        self.ports.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts connections; after `most` of them, if that is a limit, the watcher is asked for a successor.
fn connections(most: u64, outbox: &Arc<Outbox>) -> Connections {
    let Some(most) = NonZeroU64::new(most) else {
        return Connections::new();
    };
    let outbox = Arc::clone(outbox);
    Connections::limited(most, move || {
        let cause = ReplaceCause::Connections;
        // Without a link there is nobody who could start a successor.
        outbox.push(FromWorker::Replace { cause }).ok();
    })
}

impl Drain {
    fn tighten(&mut self, other: Self) {
        if other.reason == DrainReason::Stop {
            self.reason = DrainReason::Stop;
        }
        self.deadline = self.deadline.min(other.deadline);
        self.end = self.end.min(other.end);
        self.quiet = self.quiet.max(other.quiet);
        self.emptying = match (
            std::mem::replace(&mut self.emptying, Emptying::All),
            other.emptying,
        ) {
            (Emptying::Ports(mut ports), Emptying::Ports(more)) => {
                ports.extend(more);
                Emptying::Ports(ports)
            }
            _ => Emptying::All,
        };
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State")
            .field("identity", &self.identity)
            .field("phase", &self.phase())
            .finish_non_exhaustive()
    }
}
