//! Answers to beats: they come from the runtime, as long as it runs.

use std::sync::mpsc;
use std::thread;

use tokio::sync::oneshot;

use super::harness::{BOUND, joined, meet, on_both_runtimes, within};
use crate::Cluster;
use crate::link::{FromWatcher, FromWorker};

#[test]
fn beats_are_answered_while_serving_and_while_draining() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        for beat in [0, 7] {
            watcher.send(&FromWatcher::Beat { beat });
            watcher.expect(FromWorker::Alive { beat }).await;
        }
        watcher.drain(BOUND, &[]);
        within(cluster.terminated()).await;
        watcher.send(&FromWatcher::Beat { beat: 8 });
        watcher.expect(FromWorker::Alive { beat: 8 }).await;
    });
}

#[test]
fn a_runtime_that_hangs_answers_once_it_runs_again() {
    on_both_runtimes(async || {
        let (mut watcher, joining) = meet(Cluster::builder());
        let (go_on, may_go_on) = mpsc::channel();
        let (hang, hangs) = oneshot::channel();
        let worker = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let cluster = joining.await.unwrap();
                hang.send(()).unwrap();
                may_go_on.recv().unwrap();
                cluster.draining().await;
            });
        });
        watcher.welcome(BOUND).await;
        within(hangs).await.unwrap();
        watcher.send(&FromWatcher::Beat { beat: 1 });
        assert!(watcher.hears_nothing().await);
        go_on.send(()).unwrap();
        watcher.expect(FromWorker::Alive { beat: 1 }).await;
        watcher.drain(BOUND, &[]);
        worker.join().unwrap();
    });
}
