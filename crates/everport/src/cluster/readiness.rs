//! When a worker is ready: once each listener handed out has been polled, or when it says so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::state::State;

/// What stands between a worker and being ready.
#[derive(Debug)]
pub(crate) struct Readiness(Mutex<Progress>);

#[derive(Debug)]
struct Progress {
    /// Listeners asked for or handed out that were not polled yet.
    unpolled: u32,
    was_polled: bool,
    is_explicit: bool,
    is_said: bool,
}

/// A listener that is asked for or handed out. As long as it was neither polled nor dropped, the worker
/// is not ready.
#[derive(Debug)]
pub(crate) struct Unpolled {
    state: Arc<State>,
    is_settled: AtomicBool,
}

impl Readiness {
    pub(crate) fn new(is_explicit: bool) -> Self {
        Self(Mutex::new(Progress {
            unpolled: 0,
            was_polled: false,
            is_explicit,
            is_said: false,
        }))
    }

    /// The worker says that it serves; whether it is to be told to the watcher.
    pub(crate) fn say(&self) -> bool {
        !std::mem::replace(&mut self.progress().is_said, true)
    }

    /// From now on only the application's own word counts.
    pub(crate) fn make_explicit(&self) {
        self.progress().is_explicit = true;
    }

    fn settle(&self, was_polled: bool) -> bool {
        let mut progress = self.progress();
        progress.unpolled -= 1;
        progress.was_polled |= was_polled;
        progress.unpolled == 0 && progress.was_polled && !progress.is_explicit
    }

    fn progress(&self) -> std::sync::MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unpolled {
    pub(crate) fn new(state: &Arc<State>) -> Self {
        state.readiness.progress().unpolled += 1;
        Self {
            state: Arc::clone(state),
            is_settled: AtomicBool::new(false),
        }
    }

    /// The listener was polled. Cheap from the second time on.
    pub(crate) fn polled(&self) {
        if !self.is_settled.load(Ordering::Relaxed) {
            self.settle(true);
        }
    }

    fn settle(&self, was_polled: bool) {
        let is_first = !self.is_settled.swap(true, Ordering::Relaxed);
        if is_first && self.state.readiness.settle(was_polled) {
            self.state.say_ready();
        }
    }
}

impl Drop for Unpolled {
    fn drop(&mut self) {
        self.settle(false);
    }
}
