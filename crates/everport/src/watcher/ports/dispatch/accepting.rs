//! Accepts connections and places them, as long as some worker has room: else they wait in the kernel's queue.

use std::io;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, acceptfrom_with};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::time::Instant;

use super::Shared;
use super::hub::{Connection, Hub, Outcome};
use crate::listener::{has_waiting, is_of_one_connection};
use crate::reactor;
use crate::watcher::dispatching::Trouble;
use crate::watcher::input::Input;

/// How many connections are placed before other tasks have their turn.
const TURN: usize = 32;

/// How long to wait when the system refuses: until some descriptors are free again.
const PAUSE: Duration = Duration::from_millis(50);

/// How long it is said no second time that the system refuses.
const SILENCE: Duration = Duration::from_secs(60);

/// What the task waits for next.
enum Next {
    /// A connection, or a change.
    Connection,
    /// A worker that serves, or that has room.
    Change,
    /// Its next turn.
    Turn,
    /// Better times.
    Pause(Option<io::Error>),
}

/// Begins to accept. Needs a tokio runtime.
pub(super) fn accept(
    shared: Arc<Shared>,
    socket: OwnedFd,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let socket = reactor::register(socket, Interest::READABLE)?;
    Ok(async move {
        let mut told = None;
        loop {
            let next = unless_it_panics(|| place_some(&shared, &socket));
            wait_for(next, &shared, &socket, &mut told).await;
        }
    })
}

/// A defect must not end the accepting for good: it is told like a refusal, and tried again.
fn unless_it_panics(turn: impl FnOnce() -> Next) -> Next {
    let done = catch_unwind(AssertUnwindSafe(turn));
    done.unwrap_or_else(|_told_by_the_hook| {
        Next::Pause(Some(io::Error::other("the accepting task panicked")))
    })
}

async fn wait_for(
    next: Next,
    shared: &Shared,
    socket: &AsyncFd<OwnedFd>,
    told: &mut Option<Instant>,
) {
    match next {
        Next::Connection => tokio::select! {
            // An error means that the reactor is gone, and this task with it.
            _ready = socket.readable() => {}
            () = shared.changed.notified() => {}
        },
        Next::Change => shared.changed.notified().await,
        Next::Turn => tokio::task::yield_now().await,
        Next::Pause(error) => {
            if let Some(error) = error {
                shared.tell_refusal(&error, told).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn place_some(shared: &Shared, socket: &AsyncFd<OwnedFd>) -> Next {
    let mut hub = shared.hub();
    for _ in 0..TURN {
        let next = place_one(&mut hub, socket);
        if let Some(next) = next {
            hub.wait(matches!(next, Next::Change));
            return next;
        }
    }
    Next::Turn
}

/// What to wait for, if nothing was placed.
fn place_one(hub: &mut Hub, socket: &AsyncFd<OwnedFd>) -> Option<Next> {
    let Some(worker) = hub.next() else {
        return Some(Next::Change);
    };
    // Those come first: while descriptors are short, these are the ones that can be had back.
    let connection = match hub.next_returned() {
        Some(returned) => returned,
        None if hub.is_short => return Some(Next::Pause(Some(Errno::MFILE.into()))),
        None if !hub.is_open => return Some(Next::Change),
        None => match accept_one(socket) {
            Ok(accepted) => accepted,
            Err(error) => {
                // The runtime may not have heard of one yet.
                if is_none_yet(&error) && hub.is_closing && !has_waiting(socket.get_ref()) {
                    hub.is_open = false;
                    return Some(Next::Change);
                }
                return after(error);
            }
        },
    };
    match hub.place(worker, connection) {
        Outcome::Placed | Outcome::Broken => None,
        Outcome::Refused => Some(Next::Pause(None)),
    }
}

fn accept_one(socket: &AsyncFd<OwnedFd>) -> io::Result<Connection> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socket.try_io(Interest::READABLE, |socket| {
        let (socket, peer) = acceptfrom_with(socket, flags)?;
        let peer = peer.and_then(|peer| peer.try_into().ok());
        Ok(Connection { socket, peer })
    })
}

fn is_none_yet(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

fn after(error: io::Error) -> Option<Next> {
    if is_none_yet(&error) {
        return Some(Next::Connection);
    }
    if is_of_one_connection(&error) {
        return None;
    }
    // One that was shut down is reported elsewhere, and mended or given up.
    let was_shut_down = Errno::from_io_error(&error) == Some(Errno::INVAL);
    Some(if was_shut_down {
        Next::Change
    } else {
        Next::Pause(Some(error))
    })
}

impl Shared {
    /// Says once that connections wait because the system refuses to accept them.
    async fn tell_refusal(&self, error: &io::Error, told: &mut Option<Instant>) {
        if told.is_some_and(|told| told.elapsed() < SILENCE) {
            return;
        }
        *told = Some(Instant::now());
        let refused = Input::Dispatching(Trouble::Accept {
            address: self.address.clone(),
            error: error.to_string(),
        });
        // A loop that has ended needs no news.
        let _ended = self.inbox.send(refused).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_and_accepting_goes_on_after_a_pause() {
        let next = unless_it_panics(|| panic!("what a defect says"));
        let Next::Pause(Some(error)) = next else {
            panic!("no pause");
        };
        assert_eq!(error.to_string(), "the accepting task panicked");
        assert!(matches!(unless_it_panics(|| Next::Turn), Next::Turn));
    }
}
