//! Hooks, and the end of a worker.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tokio::sync::Barrier;

use super::harness::{BOUND, are_connected, joined, listening, on_both_runtimes, within};
use crate::link::{Drained, FromWorker};
use crate::{LeaveError, Sharing};

#[test]
fn leaving_after_a_drain_reports_its_end() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        watcher.drain(BOUND, &[]);
        within(cluster.draining()).await;
        within(cluster.leave()).await.unwrap();
        watcher.expect(FromWorker::Left(Drained::default())).await;
    });
}

#[test]
fn leaving_on_its_own_is_announced() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        within(cluster.leave()).await.unwrap();
        watcher.expect(FromWorker::Leaving).await;
        watcher.expect(FromWorker::Left(Drained::default())).await;
        within(cluster.leave()).await.unwrap();
        assert!(watcher.hears_nothing().await);
    });
}

#[test]
fn connections_that_are_still_open_are_reported_as_cut() {
    on_both_runtimes(async || {
        let (cluster, mut watcher, listener, socket) = listening(Sharing::Reuseport).await;
        let mut clients = [socket.connect().await, socket.connect().await];
        let mut servers = Vec::new();
        for client in &mut clients {
            let (mut server, _) = within(listener.accept()).await.unwrap();
            assert!(are_connected(client, &mut server).await);
            servers.push(server);
        }
        servers.pop();
        within(cluster.leave()).await.unwrap();
        watcher.expect(FromWorker::Ready).await;
        watcher.expect(FromWorker::Leaving).await;
        watcher
            .expect(FromWorker::Left(Drained {
                cut: 1,
                ..Drained::default()
            }))
            .await;
    });
}

#[test]
fn connections_that_ended_during_the_drain_are_reported_as_finished() {
    on_both_runtimes(async || {
        let (cluster, mut watcher, listener, socket) = listening(Sharing::Reuseport).await;
        let mut clients = [socket.connect().await, socket.connect().await];
        let mut servers = Vec::new();
        for client in &mut clients {
            let (mut server, _) = within(listener.accept()).await.unwrap();
            assert!(are_connected(client, &mut server).await);
            servers.push(server);
        }
        watcher.expect(FromWorker::Ready).await;
        servers.pop(); // before the drain: none of its business
        watcher.drain(BOUND, &[]);
        within(cluster.draining()).await;
        servers.pop();
        within(cluster.leave()).await.unwrap();
        watcher
            .expect(FromWorker::Left(Drained {
                finished: 1,
                ..Drained::default()
            }))
            .await;
    });
}

#[test]
fn hooks_run_concurrently_and_before_the_end_is_reported() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let count = Arc::new(AtomicU32::new(0));
        let together = Arc::new(Barrier::new(3)); // passed only when three hooks wait at once
        for _ in 0..3 {
            let (count, together) = (Arc::clone(&count), Arc::clone(&together));
            cluster.on_terminate(async move || {
                together.wait().await;
                count.fetch_add(1, Ordering::SeqCst);
            });
        }
        within(cluster.leave()).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 3);
        watcher.expect(FromWorker::Leaving).await;
        watcher.expect(FromWorker::Left(Drained::default())).await;
    });
}

#[test]
fn hooks_run_at_the_deadline_when_nobody_leaves() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined().await;
        let (sender, receiver) = tokio::sync::oneshot::channel();
        cluster.on_terminate(async move || sender.send(()).unwrap());
        watcher.drain(Duration::from_millis(50), &[]);
        within(receiver).await.unwrap();
    });
}

#[test]
fn a_hook_that_panics_neither_hides_the_others_nor_the_end() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let count = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&count);
        cluster.on_terminate(async || panic!("a hook that panics on purpose"));
        cluster.on_terminate(async move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        let error = within(cluster.leave()).await.unwrap_err();
        assert!(matches!(error, LeaveError::Hooks(1)), "{error}");
        assert_eq!(count.load(Ordering::SeqCst), 1);
        watcher.expect(FromWorker::Leaving).await;
        watcher.expect(FromWorker::Left(Drained::default())).await;
    });
}

#[test]
fn leaving_without_a_watcher_still_ends_and_says_so() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined().await;
        drop(watcher);
        within(cluster.draining()).await;
        let error = within(cluster.leave()).await.unwrap_err();
        assert!(matches!(error, LeaveError::LinkLost), "{error}");
    });
}
