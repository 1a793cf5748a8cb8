//! Accepting from a socket that all workers share: a thread waits for this worker's turn, the runtime accepts.
//!
//! The thread blocks until a connection comes that wakes this worker and not all, and it gives up its turn
//! then, so that the workers take turns. Under the runtime's own epoll neither would hold. What it was woken
//! for stays in the queue until an accept takes it: a runtime that hangs, or a worker that is killed, keeps no
//! connection from the others.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::io::Errno;
use rustix::net::{SocketAddrAny, SocketFlags, acceptfrom_with};
use tokio::sync::Notify;

use super::connections::{Connections, Counted};
use super::doorbell::Doorbell;
use super::family::{MENDING, is_of_one_connection};
use super::turn::Turn;
use super::waiting::has_waiting;

/// The thread works with a few small values; the smallest stack that std and libc are happy with.
const STACK: usize = 64 * 1024;

/// A shared socket, accepted from by a thread.
#[derive(Debug)]
pub(crate) struct Transfer {
    shared: Arc<Shared>,
}

/// A connection that was accepted.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) socket: OwnedFd,
    pub(crate) peer: Option<SocketAddrAny>,
    pub(crate) counted: Counted,
}

#[derive(Debug)]
struct Shared {
    desk: Mutex<Desk>,
    bell: Doorbell,
    /// Heard by an accept when there is a turn to use.
    called: Notify,
    connections: Arc<Connections>,
}

/// Where the runtime and the thread meet.
#[derive(Debug)]
struct Desk {
    /// Accepts that wait.
    waiting: usize,
    /// Whether the thread was woken for a connection that no accept has looked for yet. Until then it waits
    /// for no other one.
    has_turn: bool,
    /// Whether the thread watches the socket already.
    is_armed: bool,
    must_stop: bool,
    /// Whether no accept uses a turn any more.
    is_abandoned: bool,
    must_look: bool,
    /// The socket does not listen: it is left alone for a moment.
    must_pause: bool,
    /// Why the thread could not wait for its turn.
    failure: Option<io::Error>,
    /// Gone once the thread has stopped.
    socket: Option<Arc<OwnedFd>>,
}

/// One waiting accept.
struct Waiting<'transfer> {
    shared: &'transfer Shared,
}

impl Transfer {
    pub(crate) fn start(socket: OwnedFd, connections: Arc<Connections>) -> io::Result<Self> {
        // The thread would block in `accept` when another worker was faster.
        rustix::io::ioctl_fionbio(&socket, true)?;
        let socket = Arc::new(socket);
        let desk = Desk {
            waiting: 0,
            has_turn: false,
            is_armed: false,
            must_stop: false,
            is_abandoned: false,
            must_look: false,
            must_pause: false,
            failure: None,
            socket: Some(Arc::clone(&socket)),
        };
        let shared = Arc::new(Shared {
            desk: Mutex::new(desk),
            bell: Doorbell::new()?,
            called: Notify::new(),
            connections,
        });
        let acceptor = Acceptor::new(Arc::clone(&shared), socket)?;
        thread::Builder::new()
            .name("everport-accept".to_owned())
            .stack_size(STACK)
            .spawn(move || acceptor.run())?;
        Ok(Self { shared })
    }

    /// The next connection; pends for ever once stopped. Cancel safe: a connection that was not returned
    /// stays in the queue.
    pub(crate) async fn accept(&self) -> io::Result<Arrived> {
        if let Some(arrived) = self.shared.use_turn(0) {
            return arrived;
        }
        let _waiting = Waiting::new(&self.shared);
        loop {
            let mut call = pin!(self.shared.called.notified());
            call.as_mut().enable();
            if let Some(arrived) = self.shared.use_turn(1) {
                return arrived;
            }
            call.await;
        }
    }

    /// Looks at the socket once more: a wake-up may have been lost with another worker.
    pub(crate) fn look(&self) {
        self.shared.desk().must_look = true;
        self.shared.bell.ring();
    }

    /// Stops accepting soon; `is_stopped` says when.
    pub(crate) fn stop(&self) {
        self.shared.desk().must_stop = true;
        self.shared.bell.ring();
    }

    /// Whether the thread waits for its turn, or is about to.
    #[cfg(all(test, target_os = "linux", not(everport_portable)))]
    pub(crate) fn is_in_line(&self) -> bool {
        self.shared.desk().is_armed
    }

    /// Accepts nothing any more from this moment, not even with a turn that the thread has given already: nobody would
    /// serve it. The thread ends soon, whoever still waits.
    pub(crate) fn abandon(&self) {
        let mut desk = self.shared.desk();
        desk.must_stop = true;
        desk.is_abandoned = true;
        drop(desk);
        self.shared.bell.ring();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.desk().socket.is_none()
    }

    /// Whether a connection waits to be accepted.
    pub(crate) fn has_waiting(&self) -> bool {
        let socket = self.shared.desk().socket.clone();
        socket.is_some_and(|socket| has_waiting(&*socket))
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Accepts if it is this worker's turn. `own` accepts of those that wait are the caller's.
    fn use_turn(&self, own: usize) -> Option<io::Result<Arrived>> {
        let mut desk = self.desk();
        if desk.is_abandoned {
            return None;
        }
        let arrived = match desk.failure.take() {
            Some(error) => Some(Err(error)),
            None if std::mem::take(&mut desk.has_turn) => desk.accept(&self.connections),
            None => return None,
        };
        let done = if arrived.is_some() { own } else { 0 };
        let must_ring = desk.waiting > done || desk.must_stop;
        drop(desk);
        if must_ring {
            self.bell.ring();
        }
        arrived
    }

    /// The thread was woken, or failed: an accept is to look.
    fn call(&self, failure: Option<io::Error>) {
        let mut desk = self.desk();
        desk.is_armed = false;
        desk.has_turn |= failure.is_none();
        desk.failure = failure;
        drop(desk);
        self.called.notify_one();
    }
}

impl<'transfer> Waiting<'transfer> {
    fn new(shared: &'transfer Shared) -> Self {
        let mut desk = shared.desk();
        desk.waiting += 1;
        let must_ring = desk.wants_turn() && !desk.is_armed;
        drop(desk);
        if must_ring {
            shared.bell.ring();
        }
        Self { shared }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.desk().waiting -= 1;
    }
}

impl Desk {
    fn wants_turn(&self) -> bool {
        self.waiting > 0 && !self.has_turn
    }

    /// `None` when there is nothing to accept after all.
    fn accept(&mut self, connections: &Arc<Connections>) -> Option<io::Result<Arrived>> {
        let socket = self.socket.as_deref()?;
        match acceptfrom_with(socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((socket, peer)) => Some(Ok(Arrived {
                socket,
                peer,
                counted: connections.accepted(),
            })),
            // Another worker was faster.
            Err(Errno::AGAIN) => None,
            // The watcher lets it listen again; until then its hang-up wakes the thread time and again.
            Err(Errno::INVAL) => {
                self.must_pause = true;
                None
            }
            Err(error) => {
                let error = error.into();
                (!is_of_one_connection(&error)).then_some(Err(error))
            }
        }
    }
}

/// What the thread owns.
struct Acceptor {
    shared: Arc<Shared>,
    socket: Arc<OwnedFd>,
    turn: Turn,
}

/// What the thread is to do next.
struct Orders {
    wants_turn: bool,
    must_look: bool,
    must_pause: bool,
}

impl Acceptor {
    fn new(shared: Arc<Shared>, socket: Arc<OwnedFd>) -> io::Result<Self> {
        let turn = Turn::new(Arc::clone(&socket), &shared.bell)?;
        Ok(Self {
            shared,
            socket,
            turn,
        })
    }

    fn run(mut self) {
        while let Some(orders) = self.orders() {
            if orders.must_pause {
                thread::sleep(MENDING);
            }
            if orders.must_look || !orders.wants_turn {
                self.turn.give_up();
            }
            if orders.wants_turn {
                self.take_turn();
            }
            if self.turn.wait(&self.shared.bell) {
                self.turn.give_up();
                self.shared.call(None);
            }
        }
        self.close();
    }

    /// `None` when the thread is to end. A turn that an accept is about to use is waited for: nobody else was
    /// woken for that connection.
    fn orders(&self) -> Option<Orders> {
        let mut desk = self.shared.desk();
        let is_needed = desk.has_turn && desk.waiting > 0 && !desk.is_abandoned;
        if desk.must_stop && !is_needed {
            return None;
        }
        let orders = Orders {
            wants_turn: desk.wants_turn(),
            must_look: std::mem::take(&mut desk.must_look),
            must_pause: std::mem::take(&mut desk.must_pause),
        };
        desk.is_armed = orders.wants_turn;
        Some(orders)
    }

    fn take_turn(&mut self) {
        if let Err(error) = self.turn.take() {
            self.shared.call(Some(error));
        }
    }

    fn close(mut self) {
        self.turn.give_up();
        drop(self.turn);
        drop(self.socket);
        self.shared.desk().socket = None;
        self.shared.connections.nudge();
    }
}
