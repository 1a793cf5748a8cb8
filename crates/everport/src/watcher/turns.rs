//! Who is to be started, a few in each turn of the loop, so that those who are there already need not wait for all the others.

use std::collections::VecDeque;

use super::Spawning;
use super::event_loop::{EventLoop, INBOX};
use crate::WorkerId;

/// The workers that the supervisor wants started, in its order.
#[derive(Debug, Default)]
pub(crate) struct Recruits(VecDeque<Spawning>);

impl Recruits {
    pub(crate) fn add(&mut self, recruit: Spawning) {
        self.0.push_back(recruit);
    }

    /// Forgets one that is not wanted any more. False when it was started already, or never was to be.
    pub(crate) fn remove(&mut self, worker: WorkerId) -> bool {
        let before = self.0.len();
        self.0.retain(|recruit| recruit.worker != worker);
        self.0.len() < before
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn next(&mut self) -> Option<Spawning> {
        self.0.pop_front()
    }
}

impl EventLoop {
    /// Starts the next worker, or the next few where there are many already. That takes as long as their `exec` does, and a
    /// hundred of them would keep the first one waiting for its socket.
    pub(super) fn start_next(&mut self) {
        for _ in 0..at_once(self.workers.len()) {
            let Some(recruit) = self.recruits.next() else {
                return;
            };
            self.spawn(recruit);
            self.perform_decisions();
        }
    }

    /// Hears what workers have said meanwhile, and what they say to the answers if that is at once. It is a queue's length at
    /// most, so that nobody keeps others from being started by saying a lot.
    pub(super) async fn hear_between_starts(&mut self) {
        let mut left = INBOX;
        // A runtime that drives this loop itself comes back to it before the tasks that it has woken in the same turn.
        tokio::task::yield_now().await;
        loop {
            // What has come over a link gets into the inbox meanwhile.
            tokio::task::yield_now().await;
            let before = left;
            while left > 0
                && let Ok(input) = self.inbox.try_recv()
            {
                self.handle_input(input);
                left -= 1;
            }
            if left == before || left == 0 {
                return;
            }
        }
    }
}

/// How many are started in one turn, when so many are there. Where clients are served already, all are there sooner if the system
/// has several to start than if each waits for those before it.
fn at_once(there: usize) -> usize {
    (there / 8).clamp(1, 16)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use everport_core::{Event, ExitReason};
    use tokio::time::timeout;

    use super::*;
    use crate::link::LinkError;
    use crate::watcher::Watcher;
    use crate::watcher::input::Input;
    use crate::watcher::run::End;
    use crate::{Cluster, LeaveError};

    const PATIENCE: Duration = Duration::from_secs(30);

    async fn leave_when_told(cluster: Cluster) -> Result<(), LeaveError> {
        cluster.draining().await;
        cluster.leave().await
    }

    /// A loop that has started one of its three workers.
    fn begun() -> (EventLoop, End) {
        let watcher = Watcher::threads(3, leave_when_told).build().unwrap();
        let (mut event_loop, end) = watcher.into_loop().unwrap();
        event_loop.perform_decisions();
        event_loop.start_next();
        assert_eq!(event_loop.workers.len(), 1);
        (event_loop, end)
    }

    async fn stop(mut event_loop: EventLoop) {
        event_loop.feed(Event::Stop);
        let ended = timeout(PATIENCE, event_loop.run()).await.unwrap();
        assert_eq!(ended.unwrap(), ExitReason::Stopped);
    }

    #[tokio::test]
    async fn who_is_there_is_answered_before_the_next_one_is_started() {
        let (mut event_loop, _end) = begun();
        let greeting = async {
            while event_loop.inbox.is_empty() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, greeting).await.unwrap();
        event_loop.wait().await.unwrap();
        assert!(event_loop.workers[&WorkerId(1)].has_joined);
        assert_eq!(event_loop.workers.len(), 1);
        event_loop.start_next();
        assert_eq!(event_loop.workers.len(), 2);
        stop(event_loop).await;
    }

    /// This loop is polled before the tasks that the runtime wakes in the same turn, as a program's main future is.
    #[tokio::test]
    async fn what_has_come_over_a_link_is_heard_before_the_next_one_is_started() {
        let watcher = Watcher::threads(1, leave_when_told).build().unwrap();
        let (mut event_loop, _end) = watcher.into_loop().unwrap();
        let (ours, theirs) = tokio::net::UnixStream::pair().unwrap();
        let sender = event_loop.sender.clone();
        let reader = tokio::spawn(async move {
            theirs.readable().await.unwrap();
            let worker = WorkerId(4711);
            let error = LinkError::Closed;
            let said = Input::LinkFailed { worker, error };
            sender.send(said).await.unwrap();
        });
        for _ in 0..3 {
            tokio::task::yield_now().await; // it waits at its socket now
        }
        ours.try_write(b"!").unwrap();
        event_loop.hear_between_starts().await;
        assert!(reader.is_finished());
        assert!(event_loop.inbox.is_empty());
    }

    #[tokio::test]
    async fn whoever_says_a_lot_does_not_keep_others_from_being_started() {
        let (mut event_loop, _end) = begun();
        let sender = event_loop.sender.clone();
        let flood = tokio::spawn(async move {
            let nonsense = || Input::LinkFailed {
                worker: WorkerId(4711),
                error: LinkError::Closed,
            };
            while sender.send(nonsense()).await.is_ok() {}
        });
        for started in [2, 3] {
            timeout(PATIENCE, event_loop.wait()).await.unwrap().unwrap();
            event_loop.start_next();
            assert_eq!(event_loop.workers.len(), started);
        }
        flood.abort();
        stop(event_loop).await;
    }

    #[tokio::test]
    async fn nobody_is_started_who_is_not_wanted_any_more() {
        let (mut event_loop, _end) = begun();
        event_loop.feed(Event::Stop);
        assert!(event_loop.recruits.is_empty());
        assert_eq!(event_loop.workers.len(), 1);
        stop(event_loop).await;
    }
}
