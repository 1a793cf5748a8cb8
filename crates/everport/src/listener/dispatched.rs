//! Accepting what the watcher has accepted and placed at this worker: it comes through a channel.
//!
//! What lies in the channel is not this worker's yet: the watcher takes it back when this worker stops, hangs or dies.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;
use rustix::net::SocketAddrAny;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::connections::Connections;
use super::transfer::Arrived;
use crate::link::{LinkError, Report, Taken, TakingEnd};

/// A channel that connections come through, and what the watcher is told of them.
#[derive(Debug)]
pub(crate) struct Dispatched {
    shared: Arc<Shared>,
    reporter: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    end: TakingEnd,
    desk: Mutex<Desk>,
    ends: Arc<Ends>,
    connections: Arc<Connections>,
}

/// Held while a connection is taken, so that nothing is taken once `stop` returns.
#[derive(Debug, Default)]
struct Desk {
    taken: u64,
    is_stopped: bool,
}

/// The connections that have ended and whose end the watcher wants to know. Each of them holds it.
#[derive(Debug, Default)]
pub(crate) struct Ends {
    ended: AtomicU64,
    /// Heard by the reporter when there is something to tell.
    news: Notify,
}

impl Ends {
    /// One has ended.
    pub(crate) fn add(&self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        self.news.notify_one();
    }
}

impl Dispatched {
    /// Needs a tokio runtime.
    pub(crate) fn start(channel: OwnedFd, connections: Arc<Connections>) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            end: TakingEnd::new(channel)?,
            desk: Mutex::default(),
            ends: Arc::default(),
            connections,
        });
        let reporter = tokio::spawn(Arc::clone(&shared).report());
        Ok(Self { shared, reporter })
    }

    /// The next connection; pends for ever once stopped, and when the watcher is gone. Cancel safe: a connection that
    /// was not returned stays in the channel.
    pub(crate) async fn accept(&self) -> io::Result<Arrived> {
        let take = || self.shared.take();
        match self.shared.end.when_readable(take).await? {
            Some(arrived) => Ok(arrived),
            None => std::future::pending().await,
        }
    }

    /// Takes nothing any more. What is left in the channel the watcher gives to others.
    pub(crate) fn stop(&self) {
        self.shared.desk().is_stopped = true;
        self.shared.ends.news.notify_one();
        self.shared.connections.nudge();
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.shared.desk().is_stopped
    }

    /// Whether a connection waits to be accepted.
    pub(crate) fn has_waiting(&self) -> bool {
        self.shared.end.has_waiting()
    }
}

impl Drop for Dispatched {
    fn drop(&mut self) {
        self.reporter.abort();
    }
}

impl Shared {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `None` when nothing will ever come any more.
    fn take(&self) -> io::Result<Option<Arrived>> {
        let mut desk = self.desk();
        if desk.is_stopped {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        match self.end.try_take() {
            Ok(Some(taken)) => {
                desk.taken += 1;
                self.arrived(taken).map(Some)
            }
            Ok(None) => Err(io::ErrorKind::WouldBlock.into()),
            // Without a free descriptor it stays where it is.
            Err(LinkError::Io(error)) => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// One that was lost is taken and has ended, as far as the watcher's count goes.
    fn arrived(&self, Taken { placed, socket }: Taken) -> io::Result<Arrived> {
        if placed.is_acknowledged {
            self.ends.news.notify_one();
        }
        let Some(socket) = socket else {
            if placed.tells_end {
                self.ends.add();
            }
            return Err(Errno::MFILE.into());
        };
        let mut counted = self.connections.accepted();
        if placed.tells_end {
            counted.tell_end(Arc::clone(&self.ends));
        }
        Ok(Arrived {
            socket,
            peer: placed.peer.map(SocketAddrAny::from),
            counted,
        })
    }

    /// Tells the watcher what is new until the channel ends.
    async fn report(self: Arc<Self>) {
        loop {
            self.ends.news.notified().await;
            // What else ends in this turn of the runtime goes along.
            tokio::task::yield_now().await;
            let report = self.current();
            if self.end.report(report).await.is_err() || report.is_last {
                return;
            }
        }
    }

    fn current(&self) -> Report {
        // Looked at first: what has ended was taken by then.
        let ended = self.ends.ended.load(Ordering::SeqCst);
        let desk = self.desk();
        Report {
            taken: desk.taken,
            ended,
            is_last: desk.is_stopped,
        }
    }
}
