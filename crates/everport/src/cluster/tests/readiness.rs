//! When a worker says that it is ready.

use super::harness::{BOUND, joined, joined_with, listen, listening, on_both_runtimes, pends};
use crate::link::FromWorker;
use crate::{Cluster, Sharing};

#[test]
fn a_worker_is_ready_once_every_listener_is_polled() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let (first, _one) = listen(&cluster, &mut watcher, 1, Sharing::Reuseport).await;
        let (second, _two) = listen(&cluster, &mut watcher, 2, Sharing::Transfer).await;
        assert!(pends(first.accept()).await);
        assert!(watcher.hears_nothing().await);
        assert!(pends(second.accept()).await);
        watcher.expect(FromWorker::Ready).await;
        assert!(pends(first.accept()).await);
        assert!(watcher.hears_nothing().await);
    });
}

#[test]
fn a_listener_that_is_still_asked_for_holds_readiness_back() {
    on_both_runtimes(async || {
        let (cluster, mut watcher, first, _one) = listening(Sharing::Reuseport).await;
        let asking = cluster.clone();
        let asking = tokio::spawn(async move { asking.listen("127.0.0.1:0").await });
        let request = watcher.receive().await;
        assert!(matches!(request, FromWorker::Listen { .. }), "{request:?}");
        assert!(pends(first.accept()).await);
        assert!(watcher.hears_nothing().await);
        asking.abort();
        watcher.expect(FromWorker::Ready).await;
    });
}

#[test]
fn an_explicit_worker_is_ready_when_it_says_so_and_once() {
    on_both_runtimes(async || {
        let builder = Cluster::builder().explicit_ready();
        let (cluster, mut watcher) = joined_with(builder, BOUND).await;
        let (listener, _socket) = listen(&cluster, &mut watcher, 1, Sharing::Reuseport).await;
        assert!(pends(listener.accept()).await);
        assert!(watcher.hears_nothing().await);
        cluster.ready();
        cluster.ready();
        watcher.expect(FromWorker::Ready).await;
        assert!(watcher.hears_nothing().await);
    });
}

#[test]
fn a_worker_without_listeners_is_ready_when_it_says_so() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        assert!(watcher.hears_nothing().await);
        cluster.ready();
        watcher.expect(FromWorker::Ready).await;
    });
}

#[test]
fn a_std_listener_needs_a_word_of_its_own() {
    on_both_runtimes(async || {
        let (cluster, mut watcher, listener, _socket) = listening(Sharing::Transfer).await;
        let asking = cluster.listen_std("127.0.0.1:0");
        let (std_listener, _shared) = tokio::join!(asking, watcher.grant(2, Sharing::Transfer));
        let std_listener = std_listener.unwrap();
        assert!(pends(listener.accept()).await);
        drop(std_listener);
        assert!(watcher.hears_nothing().await);
        cluster.ready();
        watcher.expect(FromWorker::Ready).await;
    });
}
