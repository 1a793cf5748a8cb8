//! Tells why a rollout was aborted, together with what its failed worker left behind.

use std::collections::HashMap;

use everport_core::Notice as Decision;

use super::WorkerEnd;
use super::event_loop::EventLoop;
use super::worker::Worker;
use crate::WorkerId;
use crate::log::{AbortedRollout, Ending, Notice, Source};

/// What is known of failures until the supervisor has said what follows from them.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    /// The end of a worker, not told yet.
    end: Option<(Notice, Source)>,
    spawn_errors: HashMap<WorkerId, String>,
}

/// How a worker failed.
#[derive(Debug, Default)]
struct Failure {
    ending: Option<Ending>,
    error: Option<String>,
    last_lines: Vec<String>,
}

impl Failures {
    /// A worker has ended. That is told before anything that follows from it.
    pub(crate) fn note_end(&mut self, end: Notice, whose: Source) {
        self.end = Some((end, whose));
    }

    /// A worker could not be started.
    pub(crate) fn note_spawn_error(&mut self, worker: WorkerId, error: &str) {
        self.spawn_errors.insert(worker, error.to_owned());
    }

    /// Everything that follows has been said.
    pub(crate) fn forget(&mut self) {
        self.spawn_errors.clear();
    }

    /// How a worker ended, if that is what is to be told. Its last lines are taken out of that notice.
    fn take_from_end(&mut self, of: WorkerId) -> Option<Failure> {
        match &mut self.end {
            Some((
                Notice::Ended {
                    worker,
                    ending,
                    last_lines,
                    ..
                },
                _,
            )) if *worker == of => Some(Failure {
                ending: Some(ending.clone()),
                error: None,
                last_lines: std::mem::take(last_lines),
            }),
            _ => None,
        }
    }
}

impl EventLoop {
    /// Tells a worker's end if that is still to be told.
    pub(super) fn tell_end(&mut self) {
        let Some((end, whose)) = self.failures.end.take() else {
            return;
        };
        let after = match &end {
            Notice::Ended {
                ending, expected, ..
            } => Some(WorkerEnd {
                source: whose,
                ending: ending.clone(),
                expected: *expected,
            }),
            _ => None,
        };
        self.tell_about(end, Some(whose));
        if let Some(end) = after {
            self.call_after_end(&end);
        }
    }

    /// Tells a decision, after the end of the worker that led to it. The last lines of a worker that aborts a
    /// rollout are told with the abort only.
    pub(super) fn tell_end_or_abort(&mut self, decision: Decision) {
        let notice = self.with_failure(decision);
        self.tell_end();
        self.restarts.note(&notice);
        self.tell(notice);
    }

    fn with_failure(&mut self, decision: Decision) -> Notice {
        let Decision::RolloutAborted {
            generation,
            back_to,
            slot,
            worker,
            cause,
            moved,
        } = decision
        else {
            return Notice::Supervisor(decision);
        };
        let Failure {
            ending,
            error,
            last_lines,
        } = self.failure_of(worker);
        Notice::RolloutAborted(AbortedRollout {
            generation,
            back_to,
            slot,
            worker,
            cause,
            ending,
            error,
            last_lines,
            moved,
        })
    }

    fn failure_of(&mut self, worker: WorkerId) -> Failure {
        if let Some(failure) = self.failures.take_from_end(worker) {
            return failure;
        }
        let living = self.workers.get(&worker);
        Failure {
            ending: None,
            error: self.failures.spawn_errors.remove(&worker),
            last_lines: living.map_or_else(Vec::new, Worker::last_lines),
        }
    }
}
