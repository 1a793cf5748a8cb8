//! What the application wants done at the end of a drain.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;
use tokio::task::JoinSet;

type Hook = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The hooks of a worker; they run once.
pub(crate) struct Hooks {
    registered: Mutex<Option<Vec<Hook>>>,
    /// How many panicked, once all have run.
    outcome: watch::Sender<Option<usize>>,
}

impl Hooks {
    pub(crate) fn new() -> Self {
        Self {
            registered: Mutex::new(Some(Vec::new())),
            outcome: watch::Sender::new(None),
        }
    }

    /// Registers a hook; `false` when they run already.
    pub(crate) fn add(&self, hook: Hook) -> bool {
        let mut registered = self
            .registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match &mut *registered {
            Some(hooks) => hooks.push(hook),
            None => return false,
        }
        true
    }

    /// Runs the hooks concurrently, the first time it is called. To be called in a task of its own.
    pub(crate) async fn run(&self) {
        let hooks = self
            .registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(hooks) = hooks else { return };
        let mut running = JoinSet::new();
        for hook in hooks {
            running.spawn(async move { hook().await });
        }
        let mut panicked = 0;
        while let Some(result) = running.join_next().await {
            panicked += usize::from(result.is_err());
        }
        self.outcome.send_replace(Some(panicked));
    }

    /// Drops the hooks that have not run: nothing will ever run them. What they hold, their cluster above all, would stay
    /// for ever otherwise.
    pub(crate) fn forget(&self) {
        let hooks = self
            .registered
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.outcome
            .send_if_modified(|outcome| outcome.replace(outcome.unwrap_or(0)).is_none());
        drop(hooks);
    }

    /// How many hooks panicked, once all have run. Cancel safe.
    pub(crate) async fn outcome(&self) -> usize {
        let mut outcome = self.outcome.subscribe();
        let outcome = outcome.wait_for(Option::is_some).await;
        outcome.ok().and_then(|outcome| *outcome).unwrap_or(0)
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hooks").finish_non_exhaustive()
    }
}
