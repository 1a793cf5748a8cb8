//! What the rings of all workers hold together: as much may wait to be written of what dead workers left.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The rings of a cluster's workers.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    /// How many bytes they hold now.
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
    /// Counts a ring as long as what this returns lives.
    pub(super) fn add(self: &Arc<Self>, bytes: usize) -> PooledRing {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.most.fetch_max(now, Ordering::Relaxed);
        let pool = Arc::clone(self);
        PooledRing { pool, bytes }
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
