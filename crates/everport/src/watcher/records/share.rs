//! How much of one worker's records may wait to be written: the rest stays in its ring.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::log::Allowance;
use crate::record::{LENGTH_PREFIX, LONGEST_RECORD};

/// How many bytes: enough for a writer that takes turns with others, and no worker can fill the queue before it.
const MOST: usize = 256 * 1024;

/// The most that is taken at once.
const ONCE: u32 = (LONGEST_RECORD + LENGTH_PREFIX) as u32;

/// What one worker has waiting.
#[derive(Debug, Default)]
pub(super) struct Share {
    used: AtomicUsize,
    changed: Notify,
    common: Option<Common>,
}

/// What bounds a worker's share beside its own limit: the room for the records of all workers that wait for the log. Those
/// who find none have it in the order in which they came.
#[derive(Debug)]
struct Common {
    room: Arc<Semaphore>,
    /// Room that will be used next.
    reserved: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Share {
    /// One that has room where all of them together have.
    pub(super) fn within(room: Arc<Semaphore>) -> Self {
        let reserved = Mutex::default();
        Self {
            common: Some(Common { room, reserved }),
            ..Self::default()
        }
    }

    /// Whether more may be taken. Room for it is reserved then.
    pub(super) fn reserve(&self) -> bool {
        self.has_room() && self.common.as_ref().is_none_or(Common::reserve)
    }

    /// Waits until more may be taken.
    pub(super) async fn wait_for_room(&self) {
        while !self.has_room() {
            self.changed.notified().await;
        }
        if let Some(common) = &self.common {
            common.wait_for_room().await;
        }
    }

    /// So many bytes wait from now on, until the allowance is given back. Room was reserved for them.
    pub(super) fn spend(self: &Arc<Self>, bytes: usize, waits_for_all: bool) -> Allowance {
        self.used.fetch_add(bytes, Ordering::SeqCst);
        if let Some(common) = &self.common {
            common.spend(bytes);
        }
        let share = Arc::clone(self);
        Allowance {
            waits_for_all,
            give_back: Box::new(move || share.give_back(bytes)),
            is_given_back: AtomicBool::new(false),
        }
    }

    fn has_room(&self) -> bool {
        self.used.load(Ordering::SeqCst) < MOST
    }

    fn give_back(&self, bytes: usize) {
        if let Some(common) = &self.common {
            common.room.add_permits(bytes);
        }
        let before = self.used.fetch_sub(bytes, Ordering::SeqCst);
        if before >= MOST {
            // Remembered, should nobody wait just now.
            self.changed.notify_one();
        }
    }
}

impl Common {
    fn reserve(&self) -> bool {
        let mut reserved = self.reserved();
        if reserved.is_none() {
            *reserved = Arc::clone(&self.room).try_acquire_many_owned(ONCE).ok();
        }
        reserved.is_some()
    }

    async fn wait_for_room(&self) {
        // It is never closed.
        let room = Arc::clone(&self.room).acquire_many_owned(ONCE).await.ok();
        *self.reserved() = room;
    }

    /// Uses what was reserved, and leaves the rest of it to others.
    fn spend(&self, bytes: usize) {
        let spent = self.reserved().take().and_then(|mut it| it.split(bytes));
        if let Some(spent) = spent {
            spent.forget();
        }
    }

    fn reserved(&self) -> MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        // Nothing that can panic runs under the lock.
        self.reserved.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_given_back_makes_room() {
        let share = Arc::new(Share::default());
        let first = share.spend(MOST - 1, false);
        assert!(share.has_room());
        let second = share.spend(MOST, false);
        assert!(!share.has_room());
        (first.give_back)();
        assert!(!share.has_room());
        let waiting = tokio::spawn({
            let share = Arc::clone(&share);
            async move { share.wait_for_room().await }
        });
        tokio::task::yield_now().await;
        (second.give_back)();
        let bound = std::time::Duration::from_secs(20);
        tokio::time::timeout(bound, waiting).await.unwrap().unwrap();
        assert_eq!(share.used.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn who_waits_for_the_log_has_room_where_all_together_have() {
        let room = Arc::new(Semaphore::new(2 * ONCE as usize));
        let shares = [0, 1, 2].map(|_| Arc::new(Share::within(Arc::clone(&room))));
        let spend = |share: &Arc<Share>| {
            assert!(share.reserve() && share.reserve());
            share.spend(ONCE as usize - 1, true)
        };
        let spent = [&shares[0], &shares[1]].map(spend);
        assert_eq!(room.available_permits(), 2);
        assert!(!shares[0].reserve() && !shares[2].reserve());
        let waiting = tokio::spawn({
            let share = Arc::clone(&shares[2]);
            async move { share.wait_for_room().await }
        });
        tokio::task::yield_now().await;
        drop(spent);
        let bound = std::time::Duration::from_secs(20);
        tokio::time::timeout(bound, waiting).await.unwrap().unwrap();
        drop(spend(&shares[2]));
        assert_eq!(room.available_permits(), 2 * ONCE as usize);
    }
}
