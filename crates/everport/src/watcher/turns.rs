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

    /// Hears what workers have said meanwhile, and what they say to the answers if that is at once. A queue's length at most, so that those who have a lot
    /// to say do not keep others from being started.
    pub(super) async fn hear_between_starts(&mut self) {
        let mut heard = 0;
        loop {
            tokio::task::yield_now().await;
            let before = heard;
            while heard < INBOX
                && let Ok(input) = self.inbox.try_recv()
            {
                self.handle_input(input);
                heard += 1;
            }
            if heard == before || heard == INBOX {
                return;
            }
        }
    }
}
