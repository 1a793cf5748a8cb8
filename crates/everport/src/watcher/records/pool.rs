//! What the records of all workers together may take while they wait to be written.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Semaphore;

/// How many bytes may wait of workers that wait for the log: none of these is dropped, so the rest stays in their rings.
const MOST_WAITED_FOR: usize = 64 * 1024 * 1024;

/// What bounds the records of a cluster's workers. As much as their rings hold together may wait of what dead ones left.
#[derive(Debug)]
pub(crate) struct Pool {
    for_waited_for: Arc<Semaphore>,
    /// How many bytes the rings hold now.
    bytes: AtomicUsize,
    /// How many they have held at most. When all workers die at once, the first of them are no more when the last are
    /// buried.
    most: AtomicUsize,
}

/// One ring among the others.
#[derive(Debug)]
pub(super) struct PooledRing {
    pool: Arc<Pool>,
    bytes: usize,
}

impl Pool {
    /// One in which so many bytes may wait of workers that wait for the log.
    pub(super) fn new(most_waited_for: usize) -> Self {
        Self {
            for_waited_for: Arc::new(Semaphore::new(most_waited_for)),
            bytes: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    /// Room for records that are waited for, one permit for each byte.
    pub(super) fn for_waited_for(&self) -> Arc<Semaphore> {
        Arc::clone(&self.for_waited_for)
    }

    /// Counts a ring as long as what this returns lives.
    pub(super) fn add(self: &Arc<Self>, bytes: usize) -> PooledRing {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
        let pool = Arc::clone(self);
        PooledRing { pool, bytes }
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self::new(MOST_WAITED_FOR)
    }
}

impl PooledRing {
    /// How much may wait to be written of what dead workers left in their rings.
    pub(super) fn most_last_words(&self) -> usize {
        self.pool.most.load(Ordering::Relaxed)
    }
}

impl Drop for PooledRing {
    fn drop(&mut self) {
        self.pool.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_much_may_wait_as_the_rings_have_ever_held_together() {
        let pool = Arc::new(Pool::default());
        let first = pool.add(100);
        assert_eq!(first.most_last_words(), 100);
        drop(pool.add(100));
        drop(pool.add(50));
        assert_eq!(first.most_last_words(), 200);
    }
}
