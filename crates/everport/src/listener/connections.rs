//! Counts accepted connections: which are open, which have not said anything yet, and what a drain does to them.

use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
#[cfg(feature = "http")]
use tokio::sync::futures::Notified;

use super::dispatched::Ends;
use super::tally::Tally;
use crate::link::Drained;

/// The connections of one worker.
#[derive(Debug)]
pub(crate) struct Connections {
    /// Those that were accepted and, of those that have ended, the ones of the drain.
    accepted: Tally,
    silent: AtomicU32,
    /// Nanoseconds from `start` to the last accept.
    last_accept: AtomicU64,
    start: Instant,
    changed: Notify,
    is_draining: AtomicBool,
    drain_began: Notify,
    /// The same of those that `everport::http` serves, upgraded ones included. Most were accepted here; a stream
    /// from elsewhere was not.
    served: Tally,
    /// Those of the served ones that have ended and were told to.
    closed: AtomicU32,
    none_served: Notify,
    /// What had become of them all at the deadline.
    outcome: OnceLock<Drained>,
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
    /// Where its end is told, if the watcher wants to know of it.
    ends: Option<Arc<Ends>>,
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
            accepted: Tally::new(),
            silent: AtomicU32::new(0),
            last_accept: AtomicU64::new(0),
            start: Instant::now(),
            changed: Notify::new(),
            is_draining: AtomicBool::new(false),
            drain_began: Notify::new(),
            served: Tally::new(),
            closed: AtomicU32::new(0),
            none_served: Notify::new(),
            outcome: OnceLock::new(),
            limit,
        }
    }

    /// Counts a connection that was accepted just now.
    pub(crate) fn accepted(self: &Arc<Self>) -> Counted {
        self.accepted.begin();
        self.silent.fetch_add(1, Ordering::SeqCst);
        let since_start = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last_accept.fetch_max(since_start, Ordering::SeqCst);
        if let Some(limit) = &self.limit {
            limit.count();
        }
        Counted {
            connections: Arc::clone(self),
            is_silent: true,
            ends: None,
        }
    }

    /// How many are open.
    #[cfg(test)]
    pub(crate) fn open(&self) -> u32 {
        self.accepted.counts().going_on
    }

    /// Whether there is any that has not ended.
    pub(crate) fn are_open(&self) -> bool {
        self.accepted.counts().going_on > 0
    }

    /// How many of the open ones have not sent a byte yet.
    pub(crate) fn silent(&self) -> u32 {
        self.silent.load(Ordering::SeqCst)
    }

    /// When the last one was accepted; before the first one, when counting began.
    pub(crate) fn last_accept(&self) -> Instant {
        self.start + Duration::from_nanos(self.last_accept.load(Ordering::SeqCst))
    }

    /// Whether the last one was accepted less than so long ago.
    pub(crate) fn accepted_within(&self, time: Duration) -> bool {
        let has_accepted = self.last_accept.load(Ordering::SeqCst) > 0;
        has_accepted && self.last_accept().elapsed() < time
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

    /// What ends from now on is what the drain is about.
    pub(crate) fn begin_drain(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
        self.drain_began.notify_waiters();
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::SeqCst)
    }

    /// The deadline is over: from now on nothing counts any more.
    pub(crate) fn expire(&self) {
        self.outcome.get_or_init(|| self.count());
    }

    /// What has become of the connections of this drain: at its deadline, or now if that is still to come.
    pub(crate) fn outcome(&self) -> Drained {
        self.outcome.get().copied().unwrap_or_else(|| self.count())
    }

    fn count(&self) -> Drained {
        // Looked at first: who is counted here has ended by then.
        let closed = self.closed.load(Ordering::SeqCst);
        let (served, accepted) = (self.served.counts(), self.accepted.counts());
        // Which ones are in both tallies is not known. Taking the larger one is right unless the worker has both
        // accepted ones that it serves by itself and streams from elsewhere.
        let cut = accepted.going_on.max(served.going_on);
        let all = accepted.all().max(served.all());
        Drained {
            finished: all.saturating_sub(cut).saturating_sub(closed),
            closed,
            cut,
        }
    }

    /// Resolves when `everport::http` serves no connection. Cancel safe.
    pub(crate) async fn none_served(&self) {
        loop {
            let notified = self.none_served.notified(); // hears of what happens from here on
            if self.served.counts().going_on == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// What `everport::http` tells of the connections that it serves.
#[cfg(feature = "http")]
impl Connections {
    /// Resolves when the drain begins, if that is after this call: whoever calls it looks at
    /// [`Connections::is_draining`] after that. Nothing else wakes whoever waits. Cancel safe.
    pub(crate) fn drain_began(&self) -> Notified<'_> {
        self.drain_began.notified()
    }

    /// Serves one more.
    pub(crate) fn begin_serving(&self) {
        self.served.begin();
    }

    /// One of them has ended; whether it was told to close.
    pub(crate) fn end_serving(&self, was_told: bool) {
        let left = self.served.end(self.is_draining());
        if was_told {
            self.closed.fetch_add(1, Ordering::SeqCst);
        }
        if left == 0 {
            self.none_served.notify_waiters();
        }
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

    /// Its end is to be told there.
    pub(crate) fn tell_end(&mut self, ends: Arc<Ends>) {
        self.ends = Some(ends);
    }

    pub(crate) fn is_silent(&self) -> bool {
        self.is_silent
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.spoke();
        let connections = &self.connections;
        connections.accepted.end(connections.is_draining());
        if let Some(ends) = &self.ends {
            ends.add();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_was_accepted_just_now_before_the_first() {
        let an_hour = Duration::from_secs(3600);
        let connections = Arc::new(Connections::new());
        assert!(!connections.accepted_within(an_hour));
        drop(connections.accepted());
        assert!(connections.accepted_within(an_hour));
        assert!(!connections.accepted_within(Duration::ZERO));
    }

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
