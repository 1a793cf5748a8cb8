//! Tells the service manager how the cluster is (sd_notify(3)), where there is one that wants to know.

mod notify_socket;
mod situation;
mod status_line;

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::notify_socket::{NotifySocket, NotifySocketError};
pub(super) use self::situation::Limits;
use self::situation::Situation;
use crate::log::{Entry, Notice, Sink};
use crate::watcher::Handle;

/// How long the last message may take: a service manager that does not read holds up no exit.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How often to look before something is told all the same: in a cluster in which things happen all the time it will be told
/// anew.
const MOST_LOOKS: u32 = 8;

/// Passes entries on, and has the service manager told what they mean for it. It is told by a task of its own, so
/// that one that does not read holds up nothing but that.
pub(super) struct ServiceManager {
    sink: Arc<dyn Sink>,
    socket: Option<NotifySocket>,
    situation: Mutex<Situation>,
    news: Notify,
    was_unreachable: Mutex<bool>,
}

impl ServiceManager {
    /// Watches what goes to the sink, for the service manager that the environment names.
    pub(super) fn watch(sink: Arc<dyn Sink>, limits: Limits) -> Self {
        let (socket, error) = match NotifySocket::of_environment() {
            Ok(socket) => (socket, None),
            Err(error) => (None, Some(error)),
        };
        let manager = Self {
            sink,
            socket,
            situation: Mutex::new(Situation::new(limits)),
            news: Notify::new(),
            was_unreachable: Mutex::new(false),
        };
        if let Some(error) = error {
            manager.complain(&error);
        }
        manager
    }

    /// Goes on for as long as the watcher runs. Cancel safe: what was not sent waits for
    /// [`ServiceManager::say_last`].
    pub(super) async fn keep_informed(&self, handle: &Handle) -> Infallible {
        let Some(socket) = &self.socket else {
            return pending().await;
        };
        tokio::select! {
            never = self.tell_news(socket, handle) => never,
            never = feed_watchdog(socket, handle) => never,
        }
    }

    /// Sends what is left when the watcher has ended.
    pub(super) async fn say_last(&self) {
        if let Some(socket) = &self.socket {
            self.lock().look(None);
            // Whoever has not read it by then will see that the process is gone.
            let _unread = timeout(LAST_WORDS, self.send_all(socket)).await;
        }
    }

    async fn tell_news(&self, socket: &NotifySocket, handle: &Handle) -> Infallible {
        let mut failures = 0;
        loop {
            let is_news = self.wait_for_news(failures).await;
            self.look(handle).await;
            let is_told = self.send_all(socket).await;
            failures = match is_news {
                _ if is_told || !self.lock().has_steps() => 0,
                true => 1,
                false => failures + 1,
            };
        }
    }

    /// Looks at the cluster, and once more when something happened meanwhile: that it is ready and how many workers are
    /// must not contradict each other.
    async fn look(&self, handle: &Handle) {
        for left in (0..MOST_LOOKS).rev() {
            let before = self.lock().noted();
            let status = handle.status().await.ok();
            let mut situation = self.lock();
            if situation.noted() == before || left == 0 {
                situation.look(status.as_ref());
                return;
            }
        }
    }

    /// Waits until there is something to tell, or it is time to try once more. Whether there is news.
    async fn wait_for_news(&self, failures: u32) -> bool {
        let news = self.news.notified();
        match pause_after(failures) {
            Some(pause) => timeout(pause, news).await.is_ok(),
            None => {
                news.await;
                true
            }
        }
    }

    /// Whether all was sent; what was not is kept.
    async fn send_all(&self, socket: &NotifySocket) -> bool {
        loop {
            // Taken away once it is sent, so that a cancelled send is made up for.
            let Some(message) = self.lock().next_message() else {
                return true;
            };
            if let Err(error) = socket.send(&message).await {
                self.complain(&error);
                self.lock().keep_for_later();
                return false;
            }
            self.lock().note_sent(&message);
        }
    }

    /// Once: the cluster does not depend on it.
    fn complain(&self, error: &NotifySocketError) {
        let mut was_unreachable = lock(&self.was_unreachable);
        if !std::mem::replace(&mut *was_unreachable, true) {
            let error = error.to_string();
            let notice = Notice::ServiceManagerUnreachable { error };
            self.sink.write(Entry::Notice(notice, None));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Situation> {
        lock(&self.situation)
    }
}

/// How long to wait after so many attempts that failed, unless there are news before. A service manager whose socket
/// is not there yet, or is made anew, soon has it; one that is gone wakes nobody up for ever.
fn pause_after(failures: u32) -> Option<Duration> {
    const FIRST: Duration = Duration::from_millis(50);
    const MOST: u32 = 11; // 102 s in all: longer than most service managers wait for a start
    let is_worth_it = (1..=MOST).contains(&failures);
    is_worth_it.then(|| FIRST * 2_u32.pow(failures - 1))
}

impl Sink for ServiceManager {
    fn write(&self, entry: Entry) {
        if let (Entry::Notice(notice, _), Some(_)) = (&entry, &self.socket)
            && self.lock().note(notice)
        {
            self.news.notify_one();
        }
        self.sink.write(entry);
    }
}

/// Says that the watcher's loop turns, each time it has answered. Without a watchdog nothing wakes up for it.
async fn feed_watchdog(socket: &NotifySocket, handle: &Handle) -> Infallible {
    /// More often would not make a service manager any surer.
    const SHORTEST: Duration = Duration::from_millis(1);
    let limit = sd_notify::watchdog_enabled().filter(|limit| !limit.is_zero());
    let Some(limit) = limit else {
        return pending().await;
    };
    // As sd_watchdog_enabled(3) recommends.
    let mut turns = interval((limit / 2).max(SHORTEST));
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        turns.tick().await;
        if handle.status().await.is_ok() {
            // The service manager acts upon the lack of it, and the news tell who cannot be reached.
            let _unsent = socket.send(&NotifyState::Watchdog.to_string()).await;
        }
    }
}

/// A panic while the lock was held leaves plain values that are all valid.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_manager_that_is_gone_is_tried_for_a_while_and_then_left_alone() {
        assert_eq!(pause_after(0), None);
        assert_eq!(pause_after(1), Some(Duration::from_millis(50)));
        let pauses = (1..).map_while(pause_after);
        let all: Duration = pauses.sum();
        assert!(
            all > Duration::from_secs(90) && all < Duration::from_secs(180),
            "{all:?}"
        );
    }
}
