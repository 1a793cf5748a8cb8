//! Threads that hang and cannot be ended: how many there are, when one ends after all, and what follows.

use std::collections::HashMap;
use std::sync::Arc;

use everport_core::Event;

use super::body::Body;
use super::event_loop::EventLoop;
use super::input::Input;
use crate::WorkerId;
use crate::log::{Notice, Source, ThreadEnding};

/// The threads of buried workers that still run.
#[derive(Debug, Default)]
pub(crate) struct AbandonedThreads {
    threads: HashMap<WorkerId, Source>,
    /// Whether the cluster is to stop for the first of them.
    must_exit: bool,
    /// For which of them it did.
    exits_for: Option<WorkerId>,
}

impl AbandonedThreads {
    pub(crate) fn new(must_exit: bool) -> Self {
        Self {
            must_exit,
            ..Self::default()
        }
    }

    /// The worker for whose thread the cluster was stopped, if it was.
    pub(crate) fn exits_for(&self) -> Option<WorkerId> {
        self.exits_for
    }

    /// How many there are.
    fn count(&self) -> u32 {
        u32::try_from(self.threads.len()).unwrap_or(u32::MAX)
    }
}

impl EventLoop {
    /// A buried worker's thread still runs: somebody waits for its end, and the cluster stops if it is to.
    pub(super) fn note_abandoned(&mut self, whose: Source, body: Arc<Body>) {
        let (worker, slot) = (whose.worker, whose.slot);
        self.abandoned.threads.insert(worker, whose);
        let count = self.abandoned.count();
        self.tell_about(
            Notice::ThreadAbandoned {
                worker,
                slot,
                count,
            },
            Some(whose),
        );
        let inbox = self.sender.clone();
        tokio::spawn(async move {
            let ending = body.ended_after_all().await;
            // A loop that has ended has told of the thread.
            let _loop_is_gone = inbox.send(Input::EndedAfterAll { worker, ending }).await;
        });
        let status = self.supervisor.status();
        // A stop that somebody asked for stays theirs, from when it is announced.
        if self.abandoned.must_exit && !status.stopping && !status.leaving {
            self.abandoned.exits_for.get_or_insert(worker);
            self.feed(Event::Stop);
        }
    }

    pub(super) fn handle_end_after_all(&mut self, worker: WorkerId, ending: ThreadEnding) {
        let Some(whose) = self.abandoned.threads.remove(&worker) else {
            return;
        };
        let ended = Notice::ThreadEnded {
            worker,
            slot: whose.slot,
            ending,
            count: self.abandoned.count(),
        };
        self.tell_about(ended, Some(whose));
    }
}
