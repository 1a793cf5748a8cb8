//! What the application wants done in a worker's life: before it is spawned, when it is ready, after it has ended.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::event_loop::EventLoop;
use crate::causes::with_causes;
use crate::log::{Ending, Notice, Source};
use crate::panic_payload;
use crate::{Generation, SlotId, WorkerId};

/// A worker that is about to be spawned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Spawning {
    /// Its id.
    pub worker: WorkerId,
    /// Its slot.
    pub slot: SlotId,
    /// Its generation.
    pub generation: Generation,
}

/// A worker that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerEnd {
    /// Who it was.
    pub source: Source,
    /// How it ended.
    pub ending: Ending,
    /// Whether it had been told to leave.
    pub expected: bool,
}

type BeforeSpawn = Box<dyn FnMut(&Spawning) -> Result<(), String> + Send>;
type OnReady = Box<dyn FnMut(&Source) + Send>;
type AfterEnd = Box<dyn FnMut(&WorkerEnd) + Send>;

/// The hooks of a watcher, of each kind in the order in which they were given.
#[derive(Default)]
pub(crate) struct Hooks {
    before_spawn: Vec<BeforeSpawn>,
    on_ready: Vec<OnReady>,
    after_end: Vec<AfterEnd>,
}

/// Why a worker is not spawned.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// A hook returned an error.
    #[error("a before_spawn hook refuses it: {0}")]
    Refused(String),
    /// A hook panicked.
    #[error("a before_spawn hook panicked: {0}")]
    Panicked(String),
}

impl Hooks {
    pub(super) fn before_spawn<E>(
        &mut self,
        mut hook: impl FnMut(&Spawning) -> Result<(), E> + Send + 'static,
    ) where
        E: Into<Box<dyn Error>>,
    {
        let text = |error: E| with_causes(&*error.into());
        self.before_spawn
            .push(Box::new(move |worker| hook(worker).map_err(text)));
    }

    pub(super) fn on_ready(&mut self, hook: impl FnMut(&Source) + Send + 'static) {
        self.on_ready.push(Box::new(hook));
    }

    pub(super) fn after_end(&mut self, hook: impl FnMut(&WorkerEnd) + Send + 'static) {
        self.after_end.push(Box::new(hook));
    }

    /// The first that refuses is the last that is asked.
    fn ask(&mut self, worker: &Spawning) -> Result<(), Refusal> {
        for hook in &mut self.before_spawn {
            caught(|| hook(worker))
                .map_err(Refusal::Panicked)?
                .map_err(Refusal::Refused)?;
        }
        Ok(())
    }
}

impl EventLoop {
    /// Asks the application whether a worker may be spawned.
    pub(super) fn ask_before_spawn(&mut self, worker: Spawning) -> Result<(), Refusal> {
        let answer = self.hooks.ask(&worker);
        if let Err(Refusal::Panicked(error)) = &answer {
            self.tell(Notice::HookPanicked {
                hook: "before_spawn",
                worker: worker.worker,
                slot: worker.slot,
                error: error.clone(),
            });
        }
        answer
    }

    pub(super) fn call_on_ready(&mut self, worker: WorkerId) {
        let Some(record) = self.workers.get(&worker) else {
            return;
        };
        let source = record.source(worker);
        let hooks = self.hooks.on_ready.iter_mut();
        let panics = call_each(hooks, |hook| hook(&source));
        self.tell_of_panics("on_ready", source, panics);
    }

    pub(super) fn call_after_end(&mut self, end: &WorkerEnd) {
        let hooks = self.hooks.after_end.iter_mut();
        let panics = call_each(hooks, |hook| hook(end));
        self.tell_of_panics("after_end", end.source, panics);
    }

    fn tell_of_panics(&self, hook: &'static str, about: Source, panics: Vec<String>) {
        for error in panics {
            let notice = Notice::HookPanicked {
                hook,
                worker: about.worker,
                slot: about.slot,
                error,
            };
            self.tell_about(notice, Some(about));
        }
    }
}

/// Calls every hook, whatever becomes of the others, and says what those said that panicked.
fn call_each<T>(hooks: impl Iterator<Item = T>, call: impl Fn(T)) -> Vec<String> {
    hooks
        .filter_map(|hook| caught(|| call(hook)).err())
        .collect()
}

/// What is called here is the application's own. What it leaves half done when it panics is for its next call to see.
pub(super) fn caught<T>(call: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(call)).map_err(|said| {
        let text = panic_payload::text(&*said).unwrap_or("with something that is no text");
        let text = text.to_owned();
        panic_payload::let_go(said);
        text
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    const WORKER: Spawning = Spawning {
        worker: WorkerId(7),
        slot: SlotId(2),
        generation: Generation(1),
    };

    #[test]
    fn the_first_that_refuses_is_the_last_that_is_asked() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let mut hooks = Hooks::default();
        for (name, answer) in [("one", Ok(())), ("two", Err("no room")), ("three", Ok(()))] {
            let asked = Arc::clone(&asked);
            hooks.before_spawn(move |worker| {
                asked.lock().unwrap().push((name, worker.worker.0));
                answer
            });
        }
        let refusal = hooks.ask(&WORKER).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "a before_spawn hook refuses it: no room"
        );
        assert_eq!(*asked.lock().unwrap(), [("one", 7), ("two", 7)]);
    }

    #[test]
    fn a_panic_is_a_refusal() {
        let mut hooks = Hooks::default();
        hooks.before_spawn(|worker| -> Result<(), String> { panic!("no {}", worker.slot) });
        let refusal = hooks.ask(&WORKER).unwrap_err();
        assert_eq!(refusal.to_string(), "a before_spawn hook panicked: no 2");
    }

    #[test]
    fn what_a_hook_panics_with_may_panic_itself_as_it_is_dropped() {
        struct Again;
        impl Drop for Again {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let panicked = caught(|| std::panic::panic_any(Again));
        assert_eq!(panicked.unwrap_err(), "with something that is no text");
    }

    #[test]
    fn a_panic_keeps_no_other_hook_from_being_called() {
        let called = Mutex::new(Vec::new());
        let panics = call_each(1..=3, |number| {
            called
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push(number);
            if number == 2 {
                std::panic::panic_any(number);
            }
        });
        assert_eq!(panics, ["with something that is no text"]);
        assert_eq!(called.into_inner().unwrap(), [1, 2, 3]);
    }
}
