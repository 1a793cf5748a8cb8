//! The third way of sharing: the watcher accepts, and passes each connection to one worker.
//!
//! Each worker has a channel. The watcher keeps a copy of the worker's end, too: whatever happens to a worker, what it
//! has not taken is read back from there and given to another one.

mod accepting;
mod hub;
mod placing;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use everport_core::{PortId, Serving};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use self::hub::{ChannelId, Hub};
use self::placing::Nonsense;
use super::armed::Armed;
use super::socket_watch::SocketWatch;
use crate::link::{self, LinkError, PlacingEnd};
use crate::watcher::Placement;
use crate::watcher::dispatching::Trouble;
use crate::watcher::input::Input;
use crate::{PortAddress, SlotId, WorkerId};

/// What dispatching needs beside a port.
#[derive(Debug, Clone)]
pub(crate) struct Dispatching {
    placement: Placement,
    /// Where the loop is told of what goes wrong.
    inbox: mpsc::Sender<Input>,
}

impl Dispatching {
    pub(crate) fn new(placement: Placement, inbox: mpsc::Sender<Input>) -> Self {
        Self { placement, inbox }
    }
}

/// The channels of one port, and the tasks that use them.
#[derive(Debug)]
pub(super) struct Dispatch {
    shared: Arc<Shared>,
    ends: BTreeMap<WorkerId, Given>,
    /// The workers whose channels are armed. A slot may have two of them while one drains.
    armed: Armed<WorkerId>,
    accepting: Option<Task>,
}

/// A worker's end of its channel, as it was given to it.
#[derive(Debug)]
struct Given {
    slot: SlotId,
    theirs: Arc<OwnedFd>,
    _reports: Task,
}

#[derive(Debug)]
struct Shared {
    address: PortAddress,
    hub: Mutex<Hub>,
    /// Heard by the accepting task.
    changed: Notify,
    inbox: mpsc::Sender<Input>,
}

/// A task that ends with this value.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Dispatch {
    /// Nothing is accepted before a worker serves. Needs a tokio runtime.
    pub(super) fn start(
        address: PortAddress,
        socket: &OwnedFd,
        dispatching: Dispatching,
    ) -> io::Result<Self> {
        let shared = Shared {
            address,
            hub: Mutex::new(Hub::new(dispatching.placement)),
            changed: Notify::new(),
            inbox: dispatching.inbox,
        };
        let mut dispatch = Self {
            shared: Arc::new(shared),
            ends: BTreeMap::new(),
            armed: Armed::default(),
            accepting: None,
        };
        dispatch.accept_from(socket)?;
        Ok(dispatch)
    }

    /// Accepts from this socket, registered anew: the runtime goes on taking one for hung up that was shut down once.
    pub(super) fn accept_from(&mut self, socket: &OwnedFd) -> io::Result<()> {
        let accepting = accepting::accept(Arc::clone(&self.shared), socket.try_clone()?)?;
        self.accepting = Some(Task(tokio::spawn(accepting)));
        Ok(())
    }

    /// A worker asks for the port: the end of the channel that connections will come through. One that gave it back while
    /// nobody else served it is still the one that serves, and is not announced again.
    pub(super) fn join(
        &mut self,
        (worker, slot): (WorkerId, SlotId),
        serves: bool,
        watch: &SocketWatch,
    ) -> io::Result<Arc<OwnedFd>> {
        self.remove(worker, watch);
        let (ours, theirs) = link::pair()?;
        let (end, theirs) = (Arc::new(PlacingEnd::new(ours)?), Arc::new(theirs));
        let joined = (Arc::clone(&end), Arc::clone(&theirs));
        let id = self.shared.change(|hub| {
            let id = hub.join(worker, slot, joined);
            if serves {
                hub.serve_too(worker);
            }
            id
        });
        let reports = Arc::clone(&self.shared).hear(id, end);
        let given = Given {
            slot,
            theirs: Arc::clone(&theirs),
            _reports: Task(tokio::spawn(reports)),
        };
        self.ends.insert(worker, given);
        Ok(theirs)
    }

    /// The worker is gone, or has given the port back: what it has not taken goes to others.
    pub(super) fn remove(&mut self, worker: WorkerId, watch: &SocketWatch) {
        if let Some(given) = self.ends.remove(&worker) {
            watch.remove(&given.theirs);
            self.armed.forget(worker);
            self.shared.change(|hub| hub.remove(worker));
        }
    }

    /// These workers serve, and nobody else: what waits at others goes to them.
    pub(super) fn serve(&self, serving: &[Serving]) {
        self.shared.change(|hub| hub.serve(serving));
    }

    /// The worker serves no more.
    pub(super) fn stop_serving(&self, worker: WorkerId) {
        self.shared.change(|hub| hub.stop_serving(worker));
    }

    /// The worker drains, and takes what comes should nobody serve.
    pub(super) fn empty(&self, worker: WorkerId) {
        self.shared.change(|hub| hub.empty(worker));
    }

    /// Whether new connections are accepted; those that have been are placed all the same.
    pub(super) fn open(&self, is_open: bool) {
        self.shared.change(|hub| {
            hub.is_open = is_open;
            hub.is_closing = false;
        });
    }

    /// Connections go on getting in, but none is accepted any more once all that wait have been: else there would be no
    /// end of it.
    pub(super) fn close_when_empty(&self) {
        self.shared.change(|hub| hub.is_closing = true);
        // Even if it waits for a connection: it may be that none comes.
        self.shared.changed.notify_one();
    }

    /// Whether a connection waits that was accepted and that no worker has taken.
    pub(super) fn has_untaken(&self) -> bool {
        self.shared.hub().has_untaken()
    }

    /// The worker's end where what waits for it lies, as long as it takes anything.
    pub(super) fn queue(&self, worker: WorkerId) -> Option<BorrowedFd<'_>> {
        let given = self.ends.get(&worker)?;
        let is_over = self.shared.hub().is_over(worker);
        (!is_over).then(|| given.theirs.as_fd())
    }

    /// Has the next connection reported that is placed at these workers, as long as they take anything.
    pub(super) fn arm(
        &mut self,
        port: PortId,
        watch: &SocketWatch,
        takes: impl Fn(WorkerId, SlotId) -> bool,
    ) {
        let Self {
            ends,
            armed,
            shared,
            ..
        } = self;
        let hub = shared.hub();
        let channels = ends.iter().map(|(worker, given)| {
            let is_due = takes(*worker, given.slot) && !hub.is_over(*worker);
            (*worker, given, is_due)
        });
        armed.fit(
            channels,
            |_, given| watch.arm(&given.theirs, (port, Some(given.slot))),
            |_, given| watch.disarm(&given.theirs, (port, Some(given.slot))),
        );
    }

    /// Has no connection reported.
    pub(super) fn disarm(&mut self, port: PortId, watch: &SocketWatch) {
        for worker in self.armed.take() {
            if let Some(given) = self.ends.get(&worker) {
                watch.disarm(&given.theirs, (port, Some(given.slot)));
            }
        }
    }

    /// Some worker of the slot has shut its channel down: that is the end of it, and its reader will say so.
    pub(super) fn end_shut(&mut self, port: PortId, slot: SlotId, watch: &SocketWatch) {
        for (worker, given) in self.ends.iter().filter(|(_, given)| given.slot == slot) {
            if is_shut(&given.theirs) {
                watch.remove(&given.theirs);
                self.shared.change(|hub| hub.break_off(*worker));
            } else {
                // Whichever it was, a report may have used up what it was armed for.
                watch.disarm(&given.theirs, (port, Some(slot)));
            }
            self.armed.forget(*worker);
        }
    }

    /// Stops watching all ends, which has to come before they are closed.
    pub(super) fn unwatch(&self, watch: &SocketWatch) {
        for given in self.ends.values() {
            watch.remove(&given.theirs);
        }
    }
}

impl Shared {
    fn hub(&self) -> MutexGuard<'_, Hub> {
        self.hub.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and wakes the accepting task if that may be for it.
    fn change<T>(&self, change: impl FnOnce(&mut Hub) -> T) -> T {
        let mut hub = self.hub();
        let result = change(&mut hub);
        let must_wake = hub.must_wake();
        drop(hub);
        if must_wake {
            self.changed.notify_one();
        }
        result
    }

    /// Why the worker's channel has failed, which may be that we have ended it.
    fn why_broken(&self, id: ChannelId, error: &LinkError) -> String {
        let nonsense = self.hub().nonsense(id);
        nonsense.map_or_else(|| error.to_string(), said)
    }

    /// Hears what the worker reports. What cannot be costs it its channel, and the loop is told.
    async fn hear(self: Arc<Self>, id: ChannelId, end: Arc<PlacingEnd>) {
        let error = loop {
            let report = match end.receive().await {
                Ok(report) => report,
                Err(error) => break self.why_broken(id, &error),
            };
            let hear = || self.change(|hub| hub.hear(id, report));
            match catch_unwind(AssertUnwindSafe(hear)) {
                Ok(Ok(())) => {}
                Ok(Err(nonsense)) => break said(nonsense),
                // A worker that nobody hears would count as full for good.
                Err(_told_by_the_hook) => break "what it said was followed by a panic".to_owned(),
            }
            if report.is_last {
                return;
            }
        };
        if !self.change(|hub| hub.fail(id)) {
            return;
        }
        let address = self.address.clone();
        let failed = Input::Dispatching(Trouble::Channel {
            worker: id.worker,
            address,
            error,
        });
        // A loop that has ended needs no news.
        let _ended = self.inbox.send(failed).await;
    }
}

fn said(nonsense: Nonsense) -> String {
    format!("it said {nonsense}")
}

/// Whether somebody has shut the worker's end down.
fn is_shut(theirs: &OwnedFd) -> bool {
    #[cfg(target_os = "linux")]
    let shut = PollFlags::RDHUP;
    #[cfg(not(target_os = "linux"))]
    let shut = PollFlags::empty();
    let mut fds = [PollFd::new(theirs, shut)];
    // When the system does not say, it is not.
    poll(&mut fds, Some(&Timespec::default())).is_ok_and(|count| count > 0)
}
