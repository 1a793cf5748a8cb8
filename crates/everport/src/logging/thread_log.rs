//! The log of a worker that is a thread. A process has several of them, so each thread knows whose it is.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use tracing_core::dispatcher::{DefaultGuard, Dispatch, set_default};

use super::InitError;
use super::outlet::Outlet;

thread_local! {
    /// The worker that this thread belongs to, if it belongs to one.
    static HOME: RefCell<Option<Home>> = const { RefCell::new(None) };
}

/// What a thread knows of its worker.
struct Home {
    log: ThreadLog,
    /// Keeps the worker's subscriber as this thread's default until the thread ends.
    default: Option<DefaultGuard>,
}

/// One worker's log, as all of its threads share it. It is empty until the worker sets up logging.
#[derive(Clone, Default)]
pub(crate) struct ThreadLog(Arc<Parts>);

#[derive(Default)]
struct Parts {
    /// Becomes the default of each of the worker's threads.
    subscriber: OnceLock<Dispatch>,
    /// Takes what does not come through that subscriber: panics, and records of threads that were there before it.
    outlet: OnceLock<Outlet>,
}

impl ThreadLog {
    /// Makes the calling thread one of this worker's for the rest of its life. Whoever starts a thread of a worker's
    /// runtime calls this on it.
    pub(crate) fn adopt_this_thread(&self) {
        // A thread that is ending logs nothing that matters.
        let adopted = HOME.try_with(|home| {
            home.borrow_mut()
                .get_or_insert_with(|| self.home())
                .settle()
        });
        adopted.ok();
    }

    fn home(&self) -> Home {
        Home {
            log: self.clone(),
            default: None,
        }
    }

    /// That of the worker that the calling thread belongs to.
    pub(crate) fn of_this_thread() -> Option<Self> {
        let log = HOME.try_with(|home| home.borrow().as_ref().map(|home| home.log.clone()));
        log.ok().flatten()
    }

    /// Makes a subscriber this thread's default for the rest of its life, and that of the worker's other threads from
    /// their start on. The worker has one, which is made when it is asked for first.
    pub(super) fn begin(&self, subscriber: impl FnOnce() -> Dispatch) -> Result<(), InitError> {
        if has_default() {
            return Err(InitError::SubscriberSet);
        }
        self.0.subscriber.get_or_init(subscriber);
        self.adopt_this_thread();
        Ok(())
    }

    /// Where this worker's panics go from now on.
    pub(super) fn forward_panics(&self, outlet: Outlet) {
        // Said again it is the same place.
        self.0.outlet.set(outlet).ok();
    }

    /// Where the panics of the calling thread's worker go, once that was said.
    pub(super) fn outlet_of_this_thread() -> Option<Outlet> {
        Self::of_this_thread()?.0.outlet.get().cloned()
    }
}

impl Home {
    /// Takes the worker's subscriber, as soon as there is one.
    fn settle(&mut self) {
        if self.default.is_none() {
            self.default = self.log.0.subscriber.get().map(set_default);
        }
    }
}

/// Whether the calling thread has its worker's subscriber already.
fn has_default() -> bool {
    let has = HOME.try_with(|home| {
        home.borrow()
            .as_ref()
            .is_some_and(|home| home.default.is_some())
    });
    has.unwrap_or(false)
}

impl fmt::Debug for ThreadLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ThreadLog")
            .field("has_begun", &self.0.subscriber.get().is_some())
            .finish()
    }
}
