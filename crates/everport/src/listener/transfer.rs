//! Accepting from a socket that all workers share: a thread takes one connection per waiting accept.
//!
//! The thread blocks until it is this worker's turn, which is given up after each accept, so that a
//! connection wakes one worker and not all, and the workers take turns. Under the runtime's own epoll
//! neither would hold.

use std::collections::VecDeque;
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

/// A connection that the thread has accepted.
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
    arrived: Notify,
    connections: Arc<Connections>,
}

/// Where the runtime and the thread meet.
#[derive(Debug)]
struct Desk {
    /// Accepts that wait. The thread accepts as long as there are more of them than arrivals, hence
    /// `arrivals` never holds more than one beyond them.
    waiting: usize,
    arrivals: VecDeque<io::Result<Arrived>>,
    /// Whether the thread watches the socket already.
    is_armed: bool,
    must_stop: bool,
    must_look: bool,
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
            arrivals: VecDeque::new(),
            is_armed: false,
            must_stop: false,
            must_look: false,
            socket: Some(Arc::clone(&socket)),
        };
        let shared = Arc::new(Shared {
            desk: Mutex::new(desk),
            bell: Doorbell::new()?,
            arrived: Notify::new(),
            connections,
        });
        let acceptor = Acceptor::new(Arc::clone(&shared), socket)?;
        thread::Builder::new()
            .name("everport-accept".to_owned())
            .stack_size(STACK)
            .spawn(move || acceptor.run())?;
        Ok(Self { shared })
    }

    /// The next connection; pends for ever once stopped and everything accepted was taken. Cancel safe:
    /// a connection stays until an accept returns it.
    pub(crate) async fn accept(&self) -> io::Result<Arrived> {
        if let Some(arrived) = self.shared.take() {
            return arrived;
        }
        let _waiting = Waiting::new(&self.shared);
        loop {
            let mut arrival = pin!(self.shared.arrived.notified());
            arrival.as_mut().enable();
            if let Some(arrived) = self.shared.take() {
                return arrived;
            }
            arrival.await;
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

    fn take(&self) -> Option<io::Result<Arrived>> {
        let mut desk = self.desk();
        let taken = desk.arrivals.pop_front();
        if !desk.arrivals.is_empty() {
            self.arrived.notify_one(); // for another accept: its own notification may have come to us
        }
        taken
    }

    fn arrive(&self, arrival: io::Result<Arrived>) {
        self.desk().arrivals.push_back(arrival);
        self.arrived.notify_one();
    }
}

impl<'transfer> Waiting<'transfer> {
    fn new(shared: &'transfer Shared) -> Self {
        let mut desk = shared.desk();
        desk.waiting += 1;
        let must_ring = desk.wants_more() && !desk.is_armed;
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
    fn wants_more(&self) -> bool {
        self.waiting > self.arrivals.len()
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
    wants_more: bool,
    must_look: bool,
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
            if orders.must_look || !orders.wants_more {
                self.turn.give_up();
            }
            if orders.wants_more {
                self.take_turn();
            }
            if self.turn.wait(&self.shared.bell) {
                self.accept();
                self.turn.give_up();
            }
        }
        self.close();
    }

    /// `None` when the thread is to end.
    fn orders(&self) -> Option<Orders> {
        let mut desk = self.shared.desk();
        let orders = Orders {
            wants_more: desk.wants_more(),
            must_look: std::mem::take(&mut desk.must_look),
        };
        desk.is_armed = orders.wants_more;
        (!desk.must_stop).then_some(orders)
    }

    fn take_turn(&mut self) {
        if let Err(error) = self.turn.take() {
            self.shared.arrive(Err(error));
        }
    }

    /// Accepts even when nobody waits any more: the wake-up was spent on this worker alone.
    fn accept(&self) {
        match acceptfrom_with(&*self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
            Ok((socket, peer)) => {
                let counted = self.shared.connections.accepted();
                self.shared.arrive(Ok(Arrived {
                    socket,
                    peer,
                    counted,
                }));
            }
            Err(Errno::AGAIN) => {}
            // The watcher lets it listen again; until then its hang-up wakes this thread time and again.
            Err(Errno::INVAL) => thread::sleep(MENDING),
            Err(error) => {
                let error = error.into();
                if !is_of_one_connection(&error) {
                    self.shared.arrive(Err(error));
                }
            }
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
