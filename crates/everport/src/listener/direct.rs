//! Accepting on the runtime itself: from the own socket, and from those lent by other slots.

use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::{Pin, pin};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};

use everport_core::SlotId;
use tokio::sync::watch;

use super::connection::Connection;
use super::connections::Connections;
use super::family::{Family, MENDING, is_of_one_connection, was_shut_down};
use super::waiting::has_waiting;

/// Sockets that are accepted from on the runtime.
pub(crate) struct Direct<F: Family> {
    sockets: watch::Sender<Sockets<F>>,
    /// Held while an accept is polled, so that nothing is being accepted once `stop` returns.
    gate: RwLock<()>,
    connections: Arc<Connections>,
}

struct Sockets<F: Family> {
    list: Arc<[Socket<F>]>,
    is_stopped: bool,
}

struct Socket<F: Family> {
    /// Whose it is when it is lent.
    lender: Option<SlotId>,
    listener: Arc<F::Listener>,
}

/// What `accept` returns.
pub(crate) type Accepted<F> = (Connection<<F as Family>::Stream>, <F as Family>::Address);

impl<F: Family> Direct<F>
where
    F::Listener: AsFd,
{
    pub(crate) fn new(socket: OwnedFd, connections: Arc<Connections>) -> io::Result<Self> {
        let own = Socket {
            lender: None,
            listener: Arc::new(F::listener(socket)?),
        };
        let sockets = Sockets {
            list: Arc::new([own]),
            is_stopped: false,
        };
        Ok(Self {
            sockets: watch::Sender::new(sockets),
            gate: RwLock::new(()),
            connections,
        })
    }

    /// The next connection; pends for ever once stopped. Cancel safe.
    pub(crate) async fn accept(&self) -> io::Result<Accepted<F>> {
        if let Some(accepted) = self.accept_at_once() {
            return Ok(accepted);
        }
        let mut accepting = pin!(self.accept_from_current());
        poll_fn(|cx| {
            let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
            accepting.as_mut().poll(cx)
        })
        .await
    }

    /// A connection that waits already, without the preparations that waiting needs. An error is left to
    /// the way that handles it.
    fn accept_at_once(&self) -> Option<Accepted<F>> {
        let _open = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let sockets = self.sockets.borrow();
        let [own] = &*sockets.list else {
            return None; // nothing left, or lent ones that come first
        };
        // Nobody waits by polling, so no other waker is lost to this one.
        let mut nobody = Context::from_waker(Waker::noop());
        match F::poll_accept(&own.listener, &mut nobody) {
            Poll::Ready(Ok((stream, address))) => {
                let counted = self.connections.accepted();
                Some((Connection::new(stream, counted), address))
            }
            Poll::Ready(Err(_)) | Poll::Pending => None,
        }
    }

    async fn accept_from_current(&self) -> io::Result<Accepted<F>> {
        let mut sockets = self.sockets.subscribe();
        loop {
            let list = Arc::clone(&sockets.borrow_and_update().list);
            tokio::select! {
                biased; // after a stop nothing is accepted, not even once more
                changed = sockets.changed() => if changed.is_err() { pending::<()>().await },
                (lender, accepted) = accept_from_any::<F>(&list) => match accepted {
                    Ok((stream, address)) => {
                        let counted = self.connections.accepted();
                        return Ok((Connection::new(stream, counted), address));
                    }
                    Err(error) if is_of_one_connection(&error) => {}
                    Err(error) if was_shut_down(&error) => self.get_over_shutdown(lender).await?,
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// Somebody who shares the socket has shut it down. A lent one is on its way back; our own will listen
    /// again as soon as the watcher has seen it, and then has to be registered anew, because the runtime
    /// goes on taking it for hung up.
    async fn get_over_shutdown(&self, lender: Option<SlotId>) -> io::Result<()> {
        if let Some(slot) = lender {
            self.recall(slot);
            return Ok(());
        }
        tokio::time::sleep(MENDING).await;
        let own = {
            let sockets = self.sockets.borrow();
            let own = sockets.list.iter().find(|socket| socket.lender.is_none());
            own.map(|socket| socket.listener.as_fd().try_clone_to_owned())
        };
        if let Some(own) = own.transpose()? {
            let listener = Arc::new(F::listener(own)?);
            self.change(|list| {
                list.retain(|socket| socket.lender.is_some());
                list.insert(
                    0,
                    Socket {
                        lender: None,
                        listener,
                    },
                );
            });
        }
        Ok(())
    }

    /// Accepts from another slot's socket, too. Needs a tokio runtime.
    pub(crate) fn lend(&self, slot: SlotId, socket: OwnedFd) -> io::Result<()> {
        let listener = Arc::new(F::listener(socket)?);
        self.change(|list| {
            list.retain(|socket| socket.lender != Some(slot));
            list.push(Socket {
                lender: Some(slot),
                listener,
            });
        });
        Ok(())
    }

    /// Gives a lent socket back.
    pub(crate) fn recall(&self, slot: SlotId) {
        self.change(|list| list.retain(|socket| socket.lender != Some(slot)));
    }

    /// Stops accepting. The sockets are closed once each pending accept has let go of them.
    pub(crate) fn stop(&self) {
        let _closed = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.sockets.send_modify(|sockets| {
            sockets.is_stopped = true;
            sockets.list = Arc::new([]);
        });
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.sockets.borrow().is_stopped
    }

    /// Whether a connection waits to be accepted.
    pub(crate) fn has_waiting(&self) -> bool {
        let list = Arc::clone(&self.sockets.borrow().list);
        list.iter().any(|socket| has_waiting(&*socket.listener))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Socket<F>>)) {
        self.sockets.send_if_modified(|sockets| {
            if sockets.is_stopped {
                return false;
            }
            let mut list = sockets.list.iter().map(Socket::share).collect();
            change(&mut list);
            sockets.list = list.into();
            true
        });
    }
}

impl<F: Family> Socket<F> {
    fn share(&self) -> Self {
        Self {
            lender: self.lender,
            listener: Arc::clone(&self.listener),
        }
    }
}

/// What was accepted, or not, and whose socket it was.
type Attempt<F> = (
    Option<SlotId>,
    io::Result<(<F as Family>::Stream, <F as Family>::Address)>,
);

async fn accept_from_any<F: Family>(sockets: &[Socket<F>]) -> Attempt<F> {
    match sockets {
        [] => pending().await,
        [own] => (own.lender, F::accept(&own.listener).await),
        several => {
            let mut accepts: Vec<Pin<Box<_>>> = several
                .iter()
                .rev() // lent ones first: their clients have waited longer
                .map(|socket| {
                    Box::pin(async { (socket.lender, F::accept(&socket.listener).await) })
                })
                .collect();
            poll_fn(|cx| {
                let first = accepts
                    .iter_mut()
                    .find_map(|accept| match accept.as_mut().poll(cx) {
                        Poll::Ready(accepted) => Some(accepted),
                        Poll::Pending => None,
                    });
                first.map_or(Poll::Pending, Poll::Ready)
            })
            .await
        }
    }
}
