//! Counts accepted connections: which are open, and which have not said anything yet.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct Connections {
    open: AtomicU32,
    silent: AtomicU32,
    /// Nanoseconds from `start` to the last accept.
    last_accept: AtomicU64,
    start: Instant,
    changed: Notify,
    limit: Option<Limit>,
}

/// How many connections may be accepted, and what is to be done at the last one.
struct Limit {
    /// How many more may be accepted; 0 for ever once it is reached.
    left: AtomicU64,
    reached: Box<dyn Fn() + Send + Sync>,
}

/// One accepted connection in the counts, until it is dropped.
#[derive(Debug)]
pub(crate) struct Counted {
    connections: Arc<Connections>,
    is_silent: bool,
}

impl Connections {
    /// Any number may be accepted.
    pub(crate) fn new() -> Self {
        Self::with_limit(None)
    }

    /// Calls `reached`, once, when as many as `most` have been accepted. It goes on counting what comes after
    /// them: whoever is waited for must not be turned away.
    pub(crate) fn limited(most: NonZeroU64, reached: impl Fn() + Send + Sync + 'static) -> Self {
        Self::with_limit(Some(Limit {
            left: AtomicU64::new(most.get()),
            reached: Box::new(reached),
        }))
    }

    fn with_limit(limit: Option<Limit>) -> Self {
        Self {
            open: AtomicU32::new(0),
            silent: AtomicU32::new(0),
            last_accept: AtomicU64::new(0),
            start: Instant::now(),
            changed: Notify::new(),
            limit,
        }
    }

    /// Counts a connection that was accepted just now.
    pub(crate) fn accepted(self: &Arc<Self>) -> Counted {
        self.open.fetch_add(1, Ordering::SeqCst);
        self.silent.fetch_add(1, Ordering::SeqCst);
        let since_start = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last_accept.fetch_max(since_start, Ordering::SeqCst);
        if let Some(limit) = &self.limit {
            limit.count();
        }
        Counted {
            connections: Arc::clone(self),
            is_silent: true,
        }
    }

    /// How many are open.
    pub(crate) fn open(&self) -> u32 {
        self.open.load(Ordering::SeqCst)
    }

    /// How many of them have not sent a byte yet.
    pub(crate) fn silent(&self) -> u32 {
        self.silent.load(Ordering::SeqCst)
    }

    /// When the last one was accepted; before the first one, when counting began.
    pub(crate) fn last_accept(&self) -> Instant {
        self.start + Duration::from_nanos(self.last_accept.load(Ordering::SeqCst))
    }

    /// Resolves when no connection is silent any more, or when [`Connections::nudge`] was called. For one
    /// waiting task; it looks at the counts again afterwards. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Makes the waiting task look again.
    pub(crate) fn nudge(&self) {
        self.changed.notify_one();
    }
}

impl Limit {
    fn count(&self) {
        let down = |left: u64| left.checked_sub(1);
        let before = (self.left).fetch_update(Ordering::Relaxed, Ordering::Relaxed, down);
        if before == Ok(1) {
            (self.reached)();
        }
    }
}

impl fmt::Debug for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limit")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

impl Counted {
    /// The connection has said something, or will never do so.
    pub(crate) fn spoke(&mut self) {
        if std::mem::take(&mut self.is_silent)
            && self.connections.silent.fetch_sub(1, Ordering::SeqCst) == 1
        {
            self.connections.nudge();
        }
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.spoke();
        self.connections.open.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_told_once_however_many_come() {
        let told = Arc::new(AtomicU32::new(0));
        let teller = Arc::clone(&told);
        let most = NonZeroU64::new(3).unwrap();
        let connections = Arc::new(Connections::limited(most, move || {
            teller.fetch_add(1, Ordering::SeqCst);
        }));
        let times_told = |accepted: usize| {
            for _ in 0..accepted {
                drop(connections.accepted());
            }
            told.load(Ordering::SeqCst)
        };
        assert_eq!(times_told(2), 0);
        assert_eq!(times_told(1), 1);
        assert_eq!(times_told(10), 1);
        assert_eq!(connections.open(), 0);
    }
}
