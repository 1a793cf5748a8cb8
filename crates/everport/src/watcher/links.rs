//! The watcher's ends of all links, by worker.

use std::collections::HashMap;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use crate::WorkerId;
use crate::link::{FromWatcher, LinkError, WatcherEnd};

/// The links of the workers that have greeted, and those that failed while something was sent.
#[derive(Debug, Default)]
pub(crate) struct Links {
    ends: HashMap<WorkerId, Arc<WatcherEnd>>,
    failed: Vec<(WorkerId, LinkError)>,
}

impl Links {
    pub(crate) fn add(&mut self, worker: WorkerId, end: Arc<WatcherEnd>) {
        self.ends.insert(worker, end);
    }

    /// Ends the link: a worker that still lives sees that and drains by itself.
    pub(crate) fn remove(&mut self, worker: WorkerId) {
        if let Some(end) = self.ends.remove(&worker) {
            end.hang_up();
        }
    }

    /// Sends without waiting. A failure is remembered for [`Links::take_failed`]; sending to a worker
    /// without a link does nothing, because its end is reported elsewhere.
    pub(crate) fn send(
        &mut self,
        worker: WorkerId,
        frame: &FromWatcher,
        fd: Option<BorrowedFd<'_>>,
    ) {
        self.send_with(worker, frame, fd.as_slice());
    }

    /// The same with any number of descriptors.
    pub(crate) fn send_with(
        &mut self,
        worker: WorkerId,
        frame: &FromWatcher,
        fds: &[BorrowedFd<'_>],
    ) {
        let Some(end) = self.ends.get(&worker) else {
            return;
        };
        match end.send(frame, fds) {
            // A closed link is seen by whoever reads from it.
            Ok(()) | Err(LinkError::Closed) => {}
            Err(error) => self.failed.push((worker, error)),
        }
    }

    /// Sends what a worker may as well not hear: a full link is no failure then. Whether it was sent.
    pub(crate) fn suggest(
        &mut self,
        worker: WorkerId,
        frame: &FromWatcher,
        fd: Option<BorrowedFd<'_>>,
    ) -> bool {
        let end = self.ends.get(&worker);
        end.is_some_and(|end| end.send(frame, fd.as_slice()).is_ok())
    }

    /// Whose links failed since the last call.
    pub(crate) fn take_failed(&mut self) -> Vec<(WorkerId, LinkError)> {
        std::mem::take(&mut self.failed)
    }
}
