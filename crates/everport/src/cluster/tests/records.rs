//! A worker's ring, and which records the watcher wants.

use std::sync::{Arc, Mutex};

use super::harness::{BOUND, Watcher, asks_for_a_ring, joined, on_both_runtimes, within};
use crate::Cluster;
use crate::cluster::log_level::Wish;
use crate::link::FromWatcher;
use crate::log::{Level, WhenFull};

fn answer(size: u32, when_full: WhenFull) -> FromWatcher {
    FromWatcher::Ring {
        size,
        when_full,
        level: Level::Debug,
        overrides: false,
    }
}

/// A worker whose watcher has no ring to give.
async fn joined_without_ring() -> (Cluster, Watcher) {
    let (watcher, joining) = asks_for_a_ring().await;
    watcher.send(&answer(0, WhenFull::Drop));
    let cluster = within(joining).await.unwrap().unwrap();
    (cluster, watcher)
}

#[test]
fn a_worker_that_gets_no_ring_joins_all_the_same() {
    on_both_runtimes(async || {
        let (cluster, _watcher) = joined_without_ring().await;
        assert!(cluster.is_worker() && cluster.state.ring().is_none());
        let expected = Wish {
            level: Level::Debug,
            overrides: false,
        };
        assert_eq!(cluster.state.log_level.get(), expected);
    });
}

#[test]
fn a_ring_that_cannot_be_used_is_none() {
    on_both_runtimes(async || {
        for size in [1 << 20, 4711] {
            let (watcher, joining) = asks_for_a_ring().await;
            // Its descriptors are missing.
            watcher.send(&answer(size, WhenFull::Drop));
            let cluster = within(joining).await.unwrap().unwrap();
            assert!(cluster.state.ring().is_none());
        }
    });
}

#[test]
fn a_worker_without_records_asks_for_no_ring() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        assert!(cluster.state.ring().is_none());
        assert!(watcher.hears_nothing().await);
        let expected = Wish {
            level: Level::Info,
            overrides: false,
        };
        assert_eq!(cluster.state.log_level.get(), expected);
        cluster.ready();
        watcher.expect(crate::link::FromWorker::Ready).await;
    });
}

#[test]
fn a_level_that_is_set_while_the_worker_runs_overrides() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined_without_ring().await;
        let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
        let sender = Arc::new(Mutex::new(sender));
        let subscriber = move |level| sender.lock().unwrap().send(level).unwrap();
        cluster.state.log_level.subscribe(Box::new(subscriber));
        for level in [Level::Trace, Level::Error] {
            watcher.send(&FromWatcher::LogLevel { level });
            assert_eq!(within(heard.recv()).await, Some(level));
            let overrides = true;
            assert_eq!(cluster.state.log_level.get(), Wish { level, overrides });
        }
    });
}

#[test]
fn what_comes_before_the_ring_is_obeyed_after_it() {
    on_both_runtimes(async || {
        let (watcher, joining) = asks_for_a_ring().await;
        let level = Level::Trace;
        watcher.send(&FromWatcher::LogLevel { level });
        watcher.drain(BOUND, &[]);
        watcher.send(&answer(0, WhenFull::Drop));
        let cluster = within(joining).await.unwrap().unwrap();
        within(cluster.draining()).await;
        let overrides = true;
        assert_eq!(cluster.state.log_level.get(), Wish { level, overrides });
    });
}

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod with_ring {
    use std::os::fd::{AsFd, OwnedFd};
    use std::time::Duration;

    use super::*;
    use crate::record::LONGEST_RECORD;
    use crate::ring::{Consumer, Producer, Ring, Size};

    /// A worker with a ring, and the watcher's side of that.
    async fn joined_with_ring(when_full: WhenFull) -> (Cluster, Watcher, Consumer, OwnedFd) {
        let (watcher, joining) = asks_for_a_ring().await;
        let size = Size::at_least(0);
        let Ring { consumer, bell } = Ring::new(size).unwrap();
        let fds = [consumer.memory(), bell.as_fd()];
        watcher.send_with(&answer(size.bytes(), when_full), &fds);
        let cluster = within(joining).await.unwrap().unwrap();
        (cluster, watcher, consumer, bell)
    }

    fn ring(cluster: &Cluster) -> Arc<Producer> {
        Arc::clone(cluster.state.ring().unwrap())
    }

    /// Hands over more than there is room for, on a thread of its own, until something was dropped.
    async fn overflow(cluster: &Cluster) -> tokio::task::JoinHandle<()> {
        let ring = ring(cluster);
        let large = vec![1; LONGEST_RECORD];
        tokio::task::spawn_blocking(move || while ring.hand_over(&large) {})
    }

    #[test]
    fn records_go_through_the_ring_that_the_watcher_has_given() {
        on_both_runtimes(async || {
            let (cluster, _watcher, mut consumer, _bell) = joined_with_ring(WhenFull::Drop).await;
            assert!(ring(&cluster).hand_over(b"record"));
            let head = consumer.look().unwrap().head;
            assert_eq!(consumer.take(head).unwrap(), b"\x06\0\0\0record");
        });
    }

    #[test]
    fn a_worker_whose_watcher_is_gone_does_not_wait_for_room() {
        on_both_runtimes(async || {
            let (cluster, watcher, _consumer, _bell) = joined_with_ring(WhenFull::Block).await;
            let waiting = overflow(&cluster).await;
            drop(watcher);
            within(waiting).await.unwrap();
            // What is logged from now on goes elsewhere.
            let is_closed = async {
                while !ring(&cluster).is_closed() {
                    tokio::task::yield_now().await;
                }
            };
            within(is_closed).await;
        });
    }

    #[test]
    fn a_drain_is_not_held_beyond_its_deadline() {
        on_both_runtimes(async || {
            let (cluster, watcher, _consumer, _bell) = joined_with_ring(WhenFull::Block).await;
            let waiting = overflow(&cluster).await;
            watcher.drain(Duration::from_millis(50), &[]);
            within(waiting).await.unwrap();
        });
    }

    #[test]
    fn a_drain_gives_its_time_to_connections_rather_than_to_the_log() {
        on_both_runtimes(async || {
            let (cluster, watcher, _consumer, _bell) = joined_with_ring(WhenFull::Block).await;
            assert!(ring(&cluster).waits());
            watcher.drain(Duration::from_secs(3600), &[]);
            let waits_no_longer = async {
                while ring(&cluster).waits() {
                    tokio::task::yield_now().await;
                }
            };
            within(waits_no_longer).await;
        });
    }

    #[test]
    fn a_drain_that_has_time_lets_records_wait() {
        on_both_runtimes(async || {
            let (cluster, watcher, mut consumer, _bell) = joined_with_ring(WhenFull::Block).await;
            watcher.drain(BOUND, &[]);
            within(cluster.draining()).await;
            let ring = ring(&cluster);
            let large = vec![1; LONGEST_RECORD];
            let waiting =
                tokio::task::spawn_blocking(move || (0..6).all(|_| ring.hand_over(&large)));
            let mut records = 0;
            while records < 6 {
                let head = consumer.look().unwrap().head;
                records += usize::from(!consumer.take(head).unwrap().is_empty());
                tokio::task::yield_now().await;
            }
            assert!(within(waiting).await.unwrap());
        });
    }
}
