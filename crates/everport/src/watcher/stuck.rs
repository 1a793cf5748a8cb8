//! Describes a worker that is over one of its limits, before it is killed.

use std::thread;
use std::time::Duration;

use everport_core::Notice as Decision;
use tokio::sync::oneshot;

use super::body::Whereabouts;
use super::event_loop::EventLoop;
use super::input::Input;
use super::threads::threads_of;
use crate::WorkerId;
use crate::log::{Notice, Thread};

/// How long looking at a worker may hold up its end. It takes a few milliseconds, but one that hangs in the
/// kernel may keep whoever looks at it waiting with it.
const LOOKING: Duration = Duration::from_millis(200);

/// Enough for reading a few small files.
const STACK: usize = 128 * 1024;

impl EventLoop {
    /// Begins to look at a worker that is about to be killed for being over a limit. Its end waits for that.
    pub(super) fn describe_if_stuck(&mut self, decision: Decision) {
        let (Decision::BootTimedOut { worker, .. }
        | Decision::HangTimedOut { worker, .. }
        | Decision::DrainTimedOut { worker, .. }) = decision
        else {
            return;
        };
        let Some(record) = self.workers.get_mut(&worker) else {
            return;
        };
        record.is_being_described = true;
        let looking = look(record.body.whereabouts());
        let sender = self.sender.clone();
        tokio::spawn(async move {
            let seen = tokio::time::timeout(LOOKING, looking).await;
            let threads = seen.ok().and_then(Result::ok).unwrap_or_default();
            // A loop that has ended needs no description.
            let _ended = sender.send(Input::Described { worker, threads }).await;
        });
    }

    /// Tells what a worker was doing, and lets its end take its course.
    pub(super) fn handle_described(&mut self, worker: WorkerId, threads: Vec<Thread>) {
        let Some(record) = self.workers.get_mut(&worker) else {
            return;
        };
        record.is_being_described = false;
        let must_die = record.was_killed;
        let notice = Notice::Stuck {
            worker,
            slot: record.slot,
            threads,
            last_lines: record.last_lines(),
        };
        self.tell(notice);
        if must_die {
            self.end(worker);
        }
    }
}

/// Looks on a thread of its own, which nobody waits for at the end.
fn look(whom: Whereabouts) -> oneshot::Receiver<Vec<Thread>> {
    let (sender, receiver) = oneshot::channel();
    // Without the thread the sender is dropped, and nothing is seen.
    let _started = thread::Builder::new()
        .name("everport-look".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            // Who asked may not wait any more.
            let _late = sender.send(threads_of(whom));
        });
    receiver
}
