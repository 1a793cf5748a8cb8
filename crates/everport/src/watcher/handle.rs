//! Commands to a running watcher from elsewhere in the program.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use everport_core::Status;
use tokio::sync::{Notify, oneshot};

use crate::log::Level;
use crate::messages::Endpoint;

/// Tells a running watcher what to do. Cheap to clone; calls after its end do nothing.
#[derive(Debug, Clone)]
pub struct Handle {
    desk: Arc<Desk>,
    pub(super) messages: Endpoint,
}

/// Where commands lie until the watcher's loop takes them. Equal ones become one, so it never fills up.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    commands: Mutex<Commands>,
    bell: Notify,
}

/// What was asked for since the loop last looked.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    pub(crate) force_stop: bool,
    pub(crate) stop: bool,
    pub(crate) restart: bool,
    pub(crate) scale: Option<u32>,
    /// To be added to the number of workers, after `scale`.
    pub(crate) scale_by: i64,
    pub(crate) log_level: Option<Level>,
    pub(crate) children_changed: bool,
    pub(crate) reap_orphans: bool,
    pub(crate) open_messages: bool,
    pub(crate) status: Vec<oneshot::Sender<Status>>,
    is_closed: bool,
}

impl Handle {
    pub(crate) fn new(desk: Arc<Desk>, messages: Endpoint) -> Self {
        Self { desk, messages }
    }

    /// Starts a rolling restart; during one, one more follows.
    pub fn restart(&self) {
        self.desk.put(|commands| commands.restart = true);
    }

    /// Holds this many workers; at least 1.
    pub fn scale(&self, workers: u32) {
        self.desk.put(|commands| {
            commands.scale = Some(workers);
            commands.scale_by = 0;
        });
    }

    /// Holds this many workers more (or fewer, when negative) than now; at least 1.
    pub fn scale_by(&self, change: i32) {
        self.desk
            .put(|commands| commands.scale_by += i64::from(change));
    }

    /// Drains every worker and ends.
    pub fn stop(&self) {
        self.desk.put(|commands| commands.stop = true);
    }

    /// Kills every worker and ends.
    pub fn force_stop(&self) {
        self.desk.put(|commands| commands.force_stop = true);
    }

    /// Has every worker hand over records that matter at least as much, now and in future, whatever its `RUST_LOG` says.
    pub fn set_log_level(&self, level: Level) {
        self.desk.put(|commands| commands.log_level = Some(level));
    }

    /// Looks at the children's states: call it on `SIGCHLD`, so that a worker stopped by a signal is
    /// noticed. Deaths are noticed without it.
    pub fn children_changed(&self) {
        self.desk.put(|commands| commands.children_changed = true);
    }

    /// Reaps children that are not workers: for a process that is PID 1 and inherits orphans. Not for a
    /// program that waits for other children itself.
    pub fn reap_orphans(&self) {
        self.desk.put(|commands| commands.reap_orphans = true);
    }

    /// What the cluster looks like; `None` once the watcher has ended. Cancel safe.
    pub async fn status(&self) -> Option<Status> {
        let (sender, receiver) = oneshot::channel();
        self.desk.put(|commands| {
            if !commands.is_closed {
                commands.status.retain(|asker| !asker.is_closed());
                commands.status.push(sender);
            }
        });
        receiver.await.ok()
    }
}

impl Desk {
    /// Waits until there are commands and takes them. Cancel safe.
    pub(crate) async fn take(&self) -> Commands {
        self.bell.notified().await;
        std::mem::take(&mut *self.lock())
    }

    /// The application wants to exchange messages with the workers.
    pub(super) fn ask_for_messages(&self) {
        self.put(|commands| commands.open_messages = true);
    }

    /// Nobody will take what is put here any more.
    pub(crate) fn close(&self) {
        let mut commands = self.lock();
        commands.is_closed = true;
        commands.status.clear();
    }

    fn put(&self, note: impl FnOnce(&mut Commands)) {
        note(&mut self.lock());
        self.bell.notify_one();
    }

    /// A panic while the lock was held leaves plain values that are all valid.
    fn lock(&self) -> MutexGuard<'_, Commands> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
