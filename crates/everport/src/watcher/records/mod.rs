//! What workers log: taken out of their rings in bounded turns, up to the last record before a crash.

mod losses;
mod pool;
mod share;
mod taker;

#[cfg(test)]
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod tests;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::task::JoinHandle;

pub(crate) use self::pool::Pool;
use self::share::Share;
pub(crate) use self::taker::Taker;
use self::taker::Turn;
use crate::reactor;

/// How long records may lie in a ring while the worker need not ring. While any come, the watcher looks that often, and
/// the worker logs without a system call.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Takes a worker's records until [`RecordCapture::finish`]. Dropped without it, it closes the ring and forgets what
/// is in it.
pub(crate) struct RecordCapture {
    taker: Arc<SharedTaker>,
    task: JoinHandle<()>,
}

/// A taker, shared by the task that lets it take and the capture that ends it. `None` once the ring is closed.
type SharedTaker = Mutex<Option<Taker>>;

/// What ended a pause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Woken {
    ByTime,
    ByBell,
}

impl RecordCapture {
    /// Starts taking records on the current runtime.
    pub(crate) fn start(taker: Taker, bell: AsyncFd<OwnedFd>) -> Self {
        let share = taker.share();
        let taker = Arc::new(Mutex::new(Some(taker)));
        let task = tokio::spawn(take_on(Arc::clone(&taker), share, bell));
        Self { taker, task }
    }

    /// Whether there is so much to take that others should have their turns meanwhile.
    pub(crate) fn has_much(&self) -> bool {
        lock(&self.taker).as_ref().is_some_and(Taker::has_much)
    }

    /// Call it when the worker's process is dead: takes what it committed last, however much waits to be written, and closes the
    /// ring. Bounded by the ring's size, whoever else still writes to it. Returns the last errors that it logged.
    pub(crate) fn finish(self) -> Vec<String> {
        let taker = lock(&self.taker).take();
        taker.map_or_else(Vec::new, |mut taker| {
            while taker.take_last_turn() {}
            taker.last_errors()
        })
    }

    /// Takes as much before [`finish`](Self::finish), with a turn for everything else after each of its own.
    pub(crate) fn take_last_turns(&self) -> impl Future<Output = ()> + Send + use<> {
        self.task.abort();
        let taker = Arc::clone(&self.taker);
        async move {
            while lock(&taker).as_mut().is_some_and(Taker::take_last_turn) {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The last errors that a living worker has logged, as far as they are taken.
    pub(crate) fn last_errors(&self) -> Vec<String> {
        lock(&self.taker)
            .as_ref()
            .map_or_else(Vec::new, Taker::last_errors)
    }
}

impl Drop for RecordCapture {
    fn drop(&mut self) {
        lock(&self.taker).take();
        self.task.abort();
    }
}

/// Takes records turn by turn until the ring is closed. Between two turns everything else that is ready has its own.
async fn take_on(taker: Arc<SharedTaker>, share: Arc<Share>, mut bell: AsyncFd<OwnedFd>) {
    let mut woken = Woken::ByTime;
    loop {
        let turn = lock(&taker).as_mut().map(Taker::take_turn);
        match turn {
            Some(Turn::More) => tokio::task::yield_now().await,
            Some(Turn::Spent) => share.wait_for_room().await,
            Some(Turn::Some) => woken = pause(&bell).await,
            Some(Turn::Nothing) if woken == Woken::ByBell => {
                match be_deaf_for_a_while(bell).await {
                    Ok(same) => bell = same,
                    // It cannot be heard any more. The worker prints its records from now on.
                    Err(_) => return drop(lock(&taker).take()),
                }
                woken = Woken::ByTime;
            }
            Some(Turn::Nothing) => {
                if lock(&taker).as_ref().is_some_and(Taker::fall_asleep) {
                    hear(&bell).await;
                    woken = Woken::ByBell;
                    lock(&taker).as_ref().inspect(|taker| taker.wake_up());
                }
            }
            Some(Turn::Broken) => drop(lock(&taker).take()),
            None => return,
        }
    }
}

/// Waits until it is time to look again, or for the bell: a ring that is half full may not wait that long.
async fn pause(bell: &AsyncFd<OwnedFd>) -> Woken {
    tokio::select! {
        () = hear(bell) => Woken::ByBell,
        () = tokio::time::sleep(LOOK_AGAIN) => Woken::ByTime,
    }
}

/// The bell was rung for nothing. A worker that does so without end would keep us busy, so nobody listens for a while:
/// each ring wakes whoever is registered for it, even without waiting.
async fn be_deaf_for_a_while(bell: AsyncFd<OwnedFd>) -> io::Result<AsyncFd<OwnedFd>> {
    let bell = bell.into_inner();
    tokio::time::sleep(LOOK_AGAIN).await;
    let bell = reactor::register(bell, Interest::READABLE)?;
    // What was rung before is heard again now.
    pause(&bell).await;
    Ok(bell)
}

/// Waits until the bell is rung. It is never read from: the worker shares its open description and could make that
/// block, and each ring is an edge that wakes us anyway.
async fn hear(bell: &AsyncFd<OwnedFd>) {
    match bell.readable().await {
        Ok(mut rung) => rung.clear_ready(),
        // The runtime's reactor is gone, and this task with it.
        Err(_) => std::future::pending().await,
    }
}

fn lock(taker: &SharedTaker) -> MutexGuard<'_, Option<Taker>> {
    // A sink that panicked leaves a ring that can still be read.
    taker.lock().unwrap_or_else(PoisonError::into_inner)
}
