//! What becomes of the restarts that were asked for, for those who wait for it.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use everport_core::Notice as Decision;
use tokio::sync::oneshot;

use super::WatcherEnded;
use crate::Generation;
use crate::log::{AbortedRollout, Notice};

/// A restart that was asked for: wait for it to learn how it went, or drop it, which changes nothing.
///
/// Cancel safe: while it has not resolved it can be waited for again.
#[derive(Debug)]
pub struct Restart {
    answer: oneshot::Receiver<Outcome>,
}

/// A rollout that has finished: every slot runs the new generation. Workers of the old one may still drain, which
/// [`Handle::at_rest`](super::Handle::at_rest) waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restarted {
    /// The new generation.
    pub generation: Generation,
    /// From the start of the rollout.
    pub took: Duration,
}

/// Why a restart did not bring every slot to a new generation.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RestartError {
    /// A new worker failed. The old generation goes on serving; slots that had moved already return to it.
    #[error(transparent)]
    Aborted(#[from] Box<AbortedRollout>),
    /// The cluster stops, or was asked to stop before the rollout was over.
    #[error("no restart: the cluster stops (start it again instead)")]
    Stopping,
    /// The watcher has ended.
    #[error(transparent)]
    Ended(#[from] WatcherEnded),
}

type Outcome = Result<Restarted, RestartError>;

/// Somebody who waits for the outcome.
pub(crate) type Asker = oneshot::Sender<Outcome>;

/// Those who wait, by which rollout they wait for.
#[derive(Debug, Default)]
pub(crate) struct Restarts {
    /// The supervisor has yet to say what it makes of it.
    asking: Vec<Asker>,
    /// For the rollout that follows the one under way.
    remembered: Vec<Asker>,
    /// For the one under way.
    running: Vec<Asker>,
}

impl Restart {
    pub(super) fn new(answer: oneshot::Receiver<Outcome>) -> Self {
        Self { answer }
    }
}

impl Future for Restart {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let answer = Pin::new(&mut self.answer).poll(cx);
        answer.map(|answer| answer.unwrap_or(Err(WatcherEnded.into())))
    }
}

impl Restarts {
    /// Before the supervisor is told of it.
    pub(super) fn ask(&mut self, askers: Vec<Asker>) {
        self.remembered.retain(|asker| !asker.is_closed());
        self.asking = askers;
    }

    /// What the supervisor decided upon it, or what has become of it.
    pub(super) fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::Supervisor(Decision::RolloutStarted { .. }) => {
                self.running.append(&mut self.remembered);
                self.running.append(&mut self.asking);
            }
            Notice::Supervisor(Decision::RestartCoalesced) => {
                self.remembered.append(&mut self.asking);
            }
            Notice::Supervisor(Decision::RestartRefused) => refuse(&mut self.asking),
            Notice::Supervisor(Decision::Leaving { .. }) => refuse(&mut self.remembered),
            Notice::Supervisor(Decision::Stopping { .. }) => {
                refuse(&mut self.remembered);
                refuse(&mut self.running);
            }
            Notice::Supervisor(Decision::RolloutFinished { generation, took }) => {
                let (generation, took) = (*generation, *took);
                answer(&mut self.running, &Ok(Restarted { generation, took }));
            }
            Notice::RolloutAborted(aborted) => {
                answer(&mut self.running, &Err(Box::new(aborted.clone()).into()));
            }
            _ => {}
        }
    }
}

fn refuse(askers: &mut Vec<Asker>) {
    answer(askers, &Err(RestartError::Stopping));
}

fn answer(askers: &mut Vec<Asker>, outcome: &Outcome) {
    for asker in askers.drain(..) {
        // Somebody who has gone does not need the answer.
        let _gone = asker.send(outcome.clone());
    }
}

#[cfg(test)]
mod tests {
    use everport_core::{AbortCause, ExitReason};

    use super::*;
    use crate::{SlotId, WorkerId};

    fn ask(restarts: &mut Restarts, upon: &[Decision]) -> Restart {
        let (asker, answer) = oneshot::channel();
        restarts.ask(vec![asker]);
        note(restarts, upon);
        Restart::new(answer)
    }

    fn note(restarts: &mut Restarts, decisions: &[Decision]) {
        for decision in decisions {
            restarts.note(&Notice::Supervisor(*decision));
        }
    }

    fn started(generation: u64) -> Decision {
        Decision::RolloutStarted {
            generation: Generation(generation),
            from: Generation(1),
        }
    }

    fn finished(generation: u64) -> Decision {
        Decision::RolloutFinished {
            generation: Generation(generation),
            took: Duration::ZERO,
        }
    }

    fn aborted(generation: u64) -> Notice {
        Notice::RolloutAborted(AbortedRollout {
            generation: Generation(generation),
            back_to: Generation(1),
            slot: SlotId(0),
            worker: WorkerId(3),
            cause: AbortCause::DiedBooting,
            ending: None,
            error: None,
            last_lines: vec!["no luck".to_owned()],
            moved: 0,
        })
    }

    /// What is known by now: a generation, or the error as text.
    fn outcome(restart: &mut Restart) -> Option<Result<u64, String>> {
        let known = restart.answer.try_recv().ok()?;
        let known = known.map(|restarted| restarted.generation.0);
        Some(known.map_err(|error| error.to_string()))
    }

    const STOPS: &str = "no restart: the cluster stops (start it again instead)";

    #[test]
    fn each_waits_for_its_own_rollout() {
        let mut restarts = Restarts::default();
        let mut first = ask(&mut restarts, &[started(2)]);
        let mut second = ask(&mut restarts, &[Decision::RestartCoalesced]);
        assert_eq!((outcome(&mut first), outcome(&mut second)), (None, None));
        note(&mut restarts, &[finished(2), started(3)]);
        assert_eq!(
            (outcome(&mut first), outcome(&mut second)),
            (Some(Ok(2)), None)
        );
        note(&mut restarts, &[finished(3)]);
        assert_eq!(outcome(&mut second), Some(Ok(3)));
    }

    #[test]
    fn an_abort_says_what_failed() {
        let mut restarts = Restarts::default();
        let mut restart = ask(&mut restarts, &[started(2)]);
        restarts.note(&aborted(2));
        let expected = "rollout to generation 2 aborted: worker 3 (slot 0) died before it was ready; generation 1 stays";
        assert_eq!(outcome(&mut restart), Some(Err(expected.to_owned())));
    }

    #[test]
    fn a_stop_ends_every_restart() {
        let stopping = Decision::Stopping {
            reason: ExitReason::Stopped,
        };
        let mut restarts = Restarts::default();
        let mut running = ask(&mut restarts, &[started(2)]);
        let mut remembered = ask(&mut restarts, &[Decision::RestartCoalesced]);
        let delay = Duration::ZERO;
        note(&mut restarts, &[Decision::Leaving { delay }]);
        assert_eq!(outcome(&mut remembered), Some(Err(STOPS.to_owned())));
        assert_eq!(outcome(&mut running), None);
        note(&mut restarts, &[stopping]);
        assert_eq!(outcome(&mut running), Some(Err(STOPS.to_owned())));
        let mut late = ask(&mut restarts, &[Decision::RestartRefused]);
        assert_eq!(outcome(&mut late), Some(Err(STOPS.to_owned())));
    }

    #[tokio::test]
    async fn the_watchers_end_is_an_answer() {
        let mut restarts = Restarts::default();
        let restart = ask(&mut restarts, &[started(2)]);
        drop(restarts);
        assert!(matches!(restart.await, Err(RestartError::Ended(_))));
    }
}
