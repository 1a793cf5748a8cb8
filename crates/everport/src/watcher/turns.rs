//! Who is to be started, one in each turn of the loop, so that those who are there already need not wait for all the others.

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
    /// Starts the next worker. That takes as long as its `exec` does, and a hundred of them would keep the first one
    /// waiting for its socket.
    pub(super) fn start_next(&mut self) {
        if let Some(recruit) = self.recruits.next() {
            self.spawn(recruit);
            self.perform_decisions();
        }
    }

    /// Hears what workers have said meanwhile, and what they say to the answers if that is at once. It is a queue's length at
    /// most, so that nobody keeps others from being started by saying a lot.
    pub(super) async fn hear_between_starts(&mut self) {
        let mut left = INBOX;
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
