//! Which of this worker's records the watcher wants, as it changes while the worker runs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::log::Level;
use crate::ring::Producer;

/// What a worker is told about its log when it joins.
#[derive(Debug, Default)]
pub(crate) struct Logging {
    /// Where its records go; without it they are printed.
    pub(crate) ring: Option<Arc<Producer>>,
    pub(crate) level: LogLevel,
}

/// What the watcher wishes for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    /// Records that matter at least as much.
    pub(crate) level: Level,
    /// Whether this counts more than what the worker's environment says.
    pub(crate) overrides: bool,
}

/// The watcher's wish, and who wants to know when it changes.
pub(crate) struct LogLevel {
    wish: Mutex<Wish>,
    subscribers: Mutex<Vec<Subscriber>>,
}

/// Called on the thread that owns the link: it must neither block nor log.
pub(crate) type Subscriber = Box<dyn Fn(Level) + Send + Sync>;

impl LogLevel {
    pub(crate) fn new(wish: Wish) -> Self {
        Self {
            wish: Mutex::new(wish),
            subscribers: Mutex::default(),
        }
    }

    /// What is wished for now.
    pub(crate) fn get(&self) -> Wish {
        *lock(&self.wish)
    }

    /// Calls this with each level that is wished for from now on; every one of them overrides. Whoever looks at
    /// [`LogLevel::get`] after this misses none.
    #[cfg_attr(
        not(any(test, feature = "tracing")),
        expect(dead_code, reason = "only the layer has records")
    )]
    pub(crate) fn subscribe(&self, subscriber: Subscriber) {
        lock(&self.subscribers).push(subscriber);
    }

    /// The watcher wants this level from now on.
    pub(crate) fn change(&self, level: Level) {
        *lock(&self.wish) = Wish {
            level,
            overrides: true,
        };
        for subscriber in &*lock(&self.subscribers) {
            subscriber(level);
        }
    }
}

impl Default for LogLevel {
    /// What holds without a watcher.
    fn default() -> Self {
        Self::new(Wish {
            level: Level::Info,
            overrides: false,
        })
    }
}

impl fmt::Debug for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LogLevel").field(&self.get()).finish()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A subscriber that panicked leaves plain values that are all valid.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_overrides_and_reaches_every_subscriber() {
        let level = LogLevel::default();
        assert!(!level.get().overrides);
        let heard = Arc::new(Mutex::new(Vec::new()));
        for _ in 0..2 {
            let heard = Arc::clone(&heard);
            level.subscribe(Box::new(move |level| lock(&heard).push(level)));
        }
        level.change(Level::Trace);
        let expected = Wish {
            level: Level::Trace,
            overrides: true,
        };
        assert_eq!(level.get(), expected);
        assert_eq!(*lock(&heard), [Level::Trace, Level::Trace]);
    }
}
