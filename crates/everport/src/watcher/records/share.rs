//! How much of one worker's records may wait to be written: the rest stays in its ring.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::log::Allowance;

/// How many bytes: enough for a writer that takes turns with others, and no worker can fill the queue before it.
const MOST: usize = 256 * 1024;

/// What one worker has waiting.
#[derive(Debug, Default)]
pub(super) struct Share {
    used: AtomicUsize,
    changed: Notify,
}

impl Share {
    /// Whether more may be taken.
    pub(super) fn has_room(&self) -> bool {
        self.used.load(Ordering::SeqCst) < MOST
    }

    /// Waits until more may be taken.
    pub(super) async fn wait_for_room(&self) {
        while !self.has_room() {
            self.changed.notified().await;
        }
    }

    /// So many bytes wait from now on, until the allowance is given back.
    pub(super) fn spend(self: &Arc<Self>, bytes: usize, waits_for_all: bool) -> Allowance {
        self.used.fetch_add(bytes, Ordering::SeqCst);
        let share = Arc::clone(self);
        Allowance {
            waits_for_all,
            give_back: Box::new(move || share.give_back(bytes)),
            is_given_back: AtomicBool::new(false),
        }
    }

    fn give_back(&self, bytes: usize) {
        let before = self.used.fetch_sub(bytes, Ordering::SeqCst);
        if before >= MOST {
            // Remembered, should nobody wait just now.
            self.changed.notify_one();
        }
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
}
