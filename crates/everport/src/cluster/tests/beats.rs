//! Answers to beats: they come from the runtime, as long as it runs.

use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use super::harness::{BOUND, Watcher, joined, meet, on_both_runtimes, within};
use crate::Cluster;
use crate::link::{FromWatcher, FromWorker};
use crate::listener::Connections;

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

/// A worker whose runtime hangs.
struct Hung {
    watcher: Watcher,
    connections: Arc<Connections>,
    go_on: mpsc::Sender<()>,
    thread: JoinHandle<()>,
}

impl Hung {
    async fn join() -> Self {
        let (mut watcher, joining) = meet(Cluster::builder());
        let (go_on, may_go_on) = mpsc::channel();
        let (hang, hangs) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let cluster = joining.await.unwrap();
                hang.send(Arc::clone(&cluster.state.connections)).unwrap();
                may_go_on.recv().unwrap();
                cluster.draining().await;
            });
        });
        watcher.welcome(BOUND).await;
        Self {
            watcher,
            connections: within(hangs).await.unwrap(),
            go_on,
            thread,
        }
    }

    /// Once it runs again, this beat is the one that it answers.
    async fn answers_in_the_end(mut self, beat: u32) {
        self.go_on.send(()).unwrap();
        self.watcher.expect(FromWorker::Alive { beat }).await;
        self.watcher.drain(BOUND, &[]);
        self.thread.join().unwrap();
    }
}

#[test]
fn a_runtime_that_hangs_answers_once_it_runs_again() {
    on_both_runtimes(async || {
        let hung = Hung::join().await;
        hung.watcher.send(&FromWatcher::Beat { beat: 1 });
        assert!(hung.watcher.hears_nothing().await);
        hung.answers_in_the_end(1).await;
    });
}

#[test]
fn accepts_elsewhere_do_not_hide_for_ever_that_a_runtime_hangs() {
    on_both_runtimes(async || {
        let hung = Hung::join().await;
        let mut beat = 0;
        loop {
            beat += 1;
            drop(hung.connections.accepted());
            hung.watcher.send(&FromWatcher::Beat { beat });
            if hung.watcher.hears_nothing().await {
                break;
            }
            assert!(beat < 8, "no beat gets through");
        }
        hung.answers_in_the_end(beat).await;
    });
}
