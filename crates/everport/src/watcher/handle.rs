//! Commands to a running watcher from elsewhere in the program.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::notices::Audience;
use super::restarts::{self, Restart};
use super::waits::Waits;
use super::{Notices, OpenPort, Status};
use crate::log::Level;
use crate::messages::Endpoint;

/// Tells a running watcher what to do, and asks it how things are. Cheap to clone.
///
/// To give a command never waits: the watcher takes it in turn with everything else it does. What is given before
/// [`Watcher::run`](super::Watcher::run) waits there for it. After the watcher's end commands do nothing, and whatever is
/// awaited resolves with that.
#[derive(Debug, Clone)]
pub struct Handle {
    desk: Arc<Desk>,
    pub(super) messages: Endpoint,
}

/// The watcher has ended: by itself, or because its [`run`](super::Watcher::run) was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the watcher has ended (what `run` returned says why)")]
pub struct WatcherEnded;

/// Where commands lie until the watcher's loop takes them. Equal ones become one, so it never fills up.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    commands: Mutex<Commands>,
    bell: Notify,
    pub(crate) audience: Audience,
}

/// What was asked for since the loop last looked.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    pub(crate) force_stop: bool,
    pub(crate) stop: bool,
    pub(crate) restart: bool,
    /// Those who want to know how that restart goes.
    pub(crate) restart_askers: Vec<restarts::Asker>,
    pub(crate) scale: Option<u32>,
    /// To be added to the number of workers, after `scale`.
    pub(crate) scale_by: i64,
    pub(crate) log_level: Option<Level>,
    pub(crate) children_changed: bool,
    pub(crate) reap_orphans: bool,
    pub(crate) open_messages: bool,
    pub(crate) status: Vec<oneshot::Sender<Status>>,
    pub(crate) ports: Vec<oneshot::Sender<Vec<OpenPort>>>,
    pub(crate) waits: Waits,
    is_closed: bool,
}

impl Handle {
    pub(crate) fn new(desk: Arc<Desk>, messages: Endpoint) -> Self {
        Self { desk, messages }
    }

    /// Starts a rolling restart; during one, one more follows.
    ///
    /// That is so whether or not the returned future is polled. It resolves when the rollout has finished, or has
    /// been aborted: then with what failed.
    ///
    /// # Errors
    /// When the rollout is aborted, when the cluster stops, and when the watcher has ended before the rollout was over:
    /// a [`RestartError`](super::RestartError).
    ///
    /// # Cancel safety
    /// Cancel safe. Dropping the future changes nothing about the restart.
    pub fn restart(&self) -> Restart {
        Restart::new(self.ask(|commands| {
            commands.restart = true;
            &mut commands.restart_askers
        }))
    }

    /// Holds this many workers; at least 1. To wait until they serve, or until those that go have gone, see
    /// [`Handle::ready`] and [`Handle::at_rest`].
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

    /// Drains every worker and ends. It has ended when [`Watcher::run`](super::Watcher::run) returns.
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

    /// What the watcher does and sees from now on, beside the sink. Take it before [`Watcher::run`] to miss nothing.
    ///
    /// Any number of readers may be there; none of them ever holds up the watcher. For one that falls behind by more
    /// than 1,024 notices the oldest are dropped, and it is told how many.
    ///
    /// [`Watcher::run`]: super::Watcher::run
    pub fn notices(&self) -> Notices {
        self.desk.audience.join()
    }

    /// What the cluster looks like.
    ///
    /// # Errors
    /// When the watcher has ended.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn status(&self) -> Result<Status, WatcherEnded> {
        let status = self.ask(|commands| &mut commands.status).await;
        status.map_err(|_| WatcherEnded)
    }

    /// The open ports, in the order in which workers first asked for them, so that a program that asked for port 0
    /// learns its number. Those that workers have listened on before they were ready are there when
    /// [`Handle::ready`] resolves.
    ///
    /// # Errors
    /// When the watcher has ended.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ports(&self) -> Result<Vec<OpenPort>, WatcherEnded> {
        let ports = self.ask(|commands| &mut commands.ports).await;
        ports.map_err(|_| WatcherEnded)
    }

    /// Resolves once every slot has a worker that serves, of whatever generation; at once if that is so, but not
    /// before commands that were given earlier have been taken: after [`Handle::scale`] it waits for the new workers.
    ///
    /// # Errors
    /// When the watcher has ended before that.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn ready(&self) -> Result<(), WatcherEnded> {
        let ready = self.ask(|commands| &mut commands.waits.ready).await;
        ready.map_err(|_| WatcherEnded)
    }

    /// Resolves once nothing is under way any more: every slot has a worker that serves, no rollout runs, nobody is
    /// being replaced, and whoever drained has gone. Commands that were given earlier have been taken by then.
    ///
    /// # Errors
    /// When the watcher has ended before that.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn at_rest(&self) -> Result<(), WatcherEnded> {
        let at_rest = self.ask(|commands| &mut commands.waits.at_rest).await;
        at_rest.map_err(|_| WatcherEnded)
    }

    /// Has the loop answer, unless it has ended: then the answer never comes, and its receiver says so.
    fn ask<T>(
        &self,
        at: impl FnOnce(&mut Commands) -> &mut Vec<oneshot::Sender<T>>,
    ) -> oneshot::Receiver<T> {
        let (asker, answer) = oneshot::channel();
        self.desk.put(|commands| {
            let is_closed = commands.is_closed;
            let askers = at(commands);
            askers.retain(|asker| !asker.is_closed());
            if !is_closed {
                askers.push(asker);
            }
        });
        answer
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
        let closed = Commands {
            is_closed: true,
            ..Commands::default()
        };
        let left = std::mem::replace(&mut *self.lock(), closed);
        // Wakes those who wait for an answer, who may want the lock at once.
        drop(left);
        self.audience.close();
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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Wake, Waker};

    use super::*;

    #[test]
    fn whoever_is_woken_by_the_end_may_give_commands_at_once() {
        struct Locks(Arc<Desk>);
        impl Wake for Locks {
            fn wake(self: Arc<Self>) {
                assert!(self.0.commands.try_lock().is_ok());
            }
        }
        let desk: Arc<Desk> = Arc::default();
        let waker = Waker::from(Arc::new(Locks(Arc::clone(&desk))));
        let (asker, answer) = oneshot::channel();
        desk.put(|commands| commands.status.push(asker));
        let mut answer = pin!(answer);
        let mut cx = Context::from_waker(&waker);
        assert!(answer.as_mut().poll(&mut cx).is_pending());
        desk.close();
        assert!(answer.as_mut().poll(&mut cx).is_ready());
    }
}
