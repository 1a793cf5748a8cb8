//! One end of the message socket: what an application sends and receives goes through it.
//!
//! Everything is in one [`State`](state::State) under one lock, which is never held while anybody else's code runs: whom to wake
//! and what to drop is collected and done after it ([`Wakes`](wakes::Wakes)). Whoever sends writes to the socket
//! himself, as far as it takes anything; a [`Driver`](driver::Driver) task reads, and sends on.

mod answering;
mod calls;
mod driver;
mod incoming;
mod outgoing;
mod requests;
mod sending;
mod socket;
mod state;
mod subscribers;
mod subscription;
mod wakes;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::io::Interest;
use tokio::runtime::Handle;
use tokio::sync::Notify;

use self::driver::Driver;
use self::state::{Stage, State};
use self::wakes::Wakes;
use super::{Peer, SendError};
use crate::reactor;
pub use subscription::{Message, Messages};

/// A handle to an endpoint. Cheap to clone. It works on any thread and any runtime.
#[derive(Clone)]
pub(crate) struct Endpoint {
    shared: Arc<Shared>,
}

/// What everybody who uses an endpoint shares.
struct Shared {
    state: Mutex<State>,
    opener: Mutex<Option<Opener>>,
    /// Where the driver and what answers run; there is none when there is nobody to talk to, or not yet.
    runtime: OnceLock<Handle>,
    /// Told when the endpoint is attached or closed.
    stage_changed: Notify,
    /// Tells the driver that the socket took nothing more.
    blocked: Notify,
}

/// Asks for the endpoint's socket, the first time that it is used. It neither blocks nor runs anybody else's code.
pub(crate) type Opener = Box<dyn FnOnce() -> Result<(), Closed> + Send>;

/// Why an endpoint is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closed {
    WatcherGone,
    Unavailable(Arc<str>),
}

impl Endpoint {
    /// An endpoint of this peer that asks for its socket when it is used: [`Endpoint::open`] and [`Endpoint::refuse`]
    /// answer. What it does by itself it does on the runtime.
    pub(crate) fn new(own: Peer, runtime: Handle, opener: Opener) -> Self {
        let endpoint = Self::of_runtime_to_come(own, opener);
        endpoint.run_on(&runtime);
        endpoint
    }

    /// The same before it is known on which runtime: [`Endpoint::run_on`] tells.
    pub(crate) fn of_runtime_to_come(own: Peer, opener: Opener) -> Self {
        Self::with(State::new(own, Stage::Unused), Some(opener))
    }

    /// What it does by itself it does there, unless that was told before.
    pub(crate) fn run_on(&self, runtime: &Handle) {
        self.shared.runtime.get_or_init(|| runtime.clone());
    }

    /// An endpoint of a process that has nobody to talk to: what it sends goes nowhere.
    pub(crate) fn alone() -> Self {
        Self::with(State::new(Peer::Watcher, Stage::Alone), None)
    }

    fn with(state: State, opener: Option<Opener>) -> Self {
        let shared = Shared {
            state: Mutex::new(state),
            opener: Mutex::new(opener),
            runtime: OnceLock::new(),
            stage_changed: Notify::new(),
            blocked: Notify::new(),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Asks for the socket unless that was done before.
    fn request_socket(&self) {
        // Held while it asks: whoever comes second may rely on its having been asked for.
        let mut opener = lock(&self.shared.opener);
        let Some(open) = opener.take() else { return };
        self.shared.change(|state, _| {
            if matches!(state.stage, Stage::Unused) {
                state.stage = Stage::Opening;
            }
        });
        let asked = open();
        drop(opener);
        if let Err(closed) = asked {
            self.close(&closed);
        }
    }

    /// Takes the socket that was asked for: one end of a non-blocking pair for sequenced packets. One that was not is
    /// dropped.
    pub(crate) fn open(&self, socket: OwnedFd, limit: u32) {
        let Some(runtime) = self.shared.runtime.get() else {
            return;
        };
        let _context = runtime.enter();
        match self.take_socket(socket, limit) {
            Ok(Some(driver)) => drop(runtime.spawn(driver.run())),
            Ok(None) => {}
            Err(error) => self.refuse(&format!("its socket cannot be used: {error}")),
        }
    }

    fn take_socket(&self, socket: OwnedFd, limit: u32) -> io::Result<Option<Driver>> {
        let room = socket.try_clone()?;
        let socket = Arc::new(reactor::register(socket, Interest::READABLE)?);
        let opened = Stage::Open {
            socket: Arc::clone(&socket),
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
            is_attached: false,
        };
        let was_awaited = self.shared.change(|state, _| {
            let is_awaited = matches!(state.stage, Stage::Opening);
            if is_awaited {
                state.stage = opened;
            }
            is_awaited
        });
        Ok(was_awaited.then(|| Driver::new(&self.shared, socket, room)))
    }

    /// There is no socket for this endpoint.
    pub(crate) fn refuse(&self, why: &str) {
        self.close(&Closed::Unavailable(why.into()));
    }

    /// No answer will come about the socket. One that is open ends by itself, when everything that was sent is read.
    pub(crate) fn give_up_waiting(&self) {
        self.shared.change(|state, wakes| {
            if matches!(state.stage, Stage::Unused | Stage::Opening) {
                state.close(&Closed::WatcherGone, wakes);
            }
        });
    }

    /// Nothing is read or sent any more, whether or not the runtime that did it still runs: whoever waits on another one
    /// learns it.
    pub(crate) fn end(&self) {
        self.close(&Closed::WatcherGone);
    }

    fn close(&self, closed: &Closed) {
        self.shared
            .change(|state, wakes| state.close(closed, wakes));
    }

    /// The limit of messages in bytes, once everybody who is there is known; `None` when there is nobody, and never will be.
    async fn attached(&self) -> Result<Option<usize>, Closed> {
        let known = || self.shared.change(|state, _| state.stage.attached());
        if let Some(attached) = known() {
            return attached;
        }
        self.request_socket();
        loop {
            let changed = self.shared.stage_changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if let Some(attached) = known() {
                return attached;
            }
            changed.await;
        }
    }
}

impl Shared {
    /// Changes the state, and does what follows from it without the lock.
    fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut State, &mut Wakes) -> T) -> T {
        let mut wakes = Wakes::default();
        let result = change(&mut lock(&self.state), &mut wakes);
        let left = wakes.run();
        for (peer, event) in left.freed {
            lock(&self.state).tidy_slots(peer, &event);
        }
        if left.stage_changed {
            self.stage_changed.notify_waiters();
        }
        if left.is_blocked {
            self.blocked.notify_one();
        }
        for job in left.jobs {
            if let Some(runtime) = self.runtime.get() {
                let endpoint = Endpoint {
                    shared: Arc::clone(self),
                };
                drop(runtime.spawn(endpoint.run_job(job)));
            }
        }
        result
    }

    /// Resolves when the endpoint is closed.
    async fn closed(self: &Arc<Self>) {
        loop {
            let changed = self.stage_changed.notified();
            let mut changed = std::pin::pin!(changed);
            changed.as_mut().enable();
            if self.change(|state, _| matches!(state.stage, Stage::Closed(_))) {
                return;
            }
            changed.await;
        }
    }
}

impl Stage {
    /// As [`Endpoint::attached`]; `None` as long as it is not known.
    fn attached(&self) -> Option<Result<Option<usize>, Closed>> {
        match self {
            Self::Open {
                limit,
                is_attached: true,
                ..
            } => Some(Ok(Some(*limit))),
            Self::Unused | Self::Opening | Self::Open { .. } => None,
            Self::Alone => Some(Ok(None)),
            Self::Closed(closed) => Some(Err(closed.clone())),
        }
    }
}

impl From<Closed> for SendError {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::WatcherGone => Self::WatcherGone,
            Closed::Unavailable(why) => Self::Unavailable(why.to_string()),
        }
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
