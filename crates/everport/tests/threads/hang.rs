//! Threads that hang: they cannot be killed, so they are steered away from, described and abandoned.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everport::log::{Notice, Thread};
use everport::messages::SendError;
use everport::watcher::{Builder, Decision, ExitReason, RunError};
use everport::{Cluster, ListenError, Watcher, WorkerId};

use crate::scene::{PATIENCE, Scene, answer, ask_from};

/// After which one that hangs is given up: longer than a busy machine lets one stand still that does not.
const LIMIT: Duration = Duration::from_secs(3);

/// What makes the first worker hang, and lets it go on.
struct Hang {
    begin: tokio::sync::watch::Sender<bool>,
    began: tokio::sync::watch::Receiver<bool>,
    end: Sender<()>,
}

impl Hang {
    /// Returns when it hangs.
    async fn begin(&mut self) {
        self.begin.send_replace(true);
        self.began.wait_for(|began| *began).await.unwrap();
    }
}

/// The first worker hangs in a call that blocks, from when it is told to until it is let go; the others serve.
fn hanging(workers: u32) -> (Hang, Builder) {
    let (begin, must_hang) = tokio::sync::watch::channel(false);
    let (begins, began) = tokio::sync::watch::channel(false);
    let (end, is_over) = channel();
    let is_over = Arc::new(Mutex::new(is_over));
    let main = async move |cluster: Cluster| {
        if cluster.id() == Some(WorkerId(1)) {
            let (mut must_hang, begins) = (must_hang.clone(), begins.clone());
            let is_over = Arc::clone(&is_over);
            tokio::spawn(async move {
                if must_hang.wait_for(|must_hang| *must_hang).await.is_ok() {
                    begins.send_replace(true);
                    hang_until(&is_over);
                }
            });
        }
        answer(cluster).await
    };
    (Hang { begin, began, end }, Watcher::threads(workers, main))
}

/// Blocks the thread, whatever else it has to do.
fn hang_until(is_over: &Mutex<Receiver<()>>) {
    // An error means that nobody lets it go on: the test is over.
    let _nobody = is_over.lock().unwrap().recv();
}

/// A client that waits for whoever does not answer.
fn wait_for_answer(address: SocketAddr) -> TcpStream {
    let mut client = TcpStream::connect(address).unwrap();
    client.write_all(b"x").unwrap();
    client
}

async fn abandoned(scene: &Scene) -> u32 {
    scene
        .see("a thread that is abandoned", |notice| match notice {
            Notice::ThreadAbandoned { count, .. } => Some(*count),
            _ => None,
        })
        .await
}

#[tokio::test]
async fn a_thread_that_hangs_is_described_abandoned_and_replaced_and_its_late_end_is_told() {
    let (mut hang, builder) = hanging(1);
    let scene = Scene::start(builder.hang_timeout(LIMIT));
    let address = scene.address().await;
    assert_eq!(ask_from(address).await.unwrap().worker, 1);
    hang.begin().await;
    let waiting = wait_for_answer(address);
    let threads: Vec<Thread> = scene
        .see("what it does", |notice| match notice {
            Notice::Stuck { threads, .. } => Some(threads.clone()),
            _ => None,
        })
        .await;
    let names: Vec<_> = threads.iter().map(|thread| thread.name.as_str()).collect();
    assert_eq!(names, ["worker-1"], "only the thread that hangs");
    assert_eq!(abandoned(&scene).await, 1);
    let text = scene.see_text(&["worker 1 (slot 0) ended"]).await;
    assert_eq!(text, "worker 1 (slot 0) ended: abandoned");
    // Its successor serves from the same socket.
    scene.see_text(&["worker 2 (slot 0) is ready"]).await;
    assert_eq!(ask_from(address).await.unwrap().worker, 2);
    drop(waiting);
    assert_eq!(scene.told.count("thread_ended"), 0);
    hang.end.send(()).unwrap();
    let text = scene.see_text(&["the thread of worker 1 (slot 0)"]).await;
    assert_eq!(
        text,
        "the thread of worker 1 (slot 0) has ended after all: killed"
    );
    assert_eq!(scene.stop().await.unwrap(), ExitReason::Stopped);
}

#[tokio::test]
async fn while_one_thread_hangs_the_others_take_what_waits_for_it() {
    let (mut hang, builder) = hanging(2);
    let scene = Scene::start(builder.hang_timeout(Duration::from_secs(60)));
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready"]).await;
    hang.begin().await;
    for _ in 0..20 {
        // Each gets an answer, although the kernel gives every other one to the slot that hangs at first.
        assert_eq!(ask_from(address).await.unwrap().worker, 2);
    }
    hang.end.send(()).unwrap();
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn a_thread_that_hangs_does_not_hold_up_the_end_of_the_cluster() {
    let (mut hang, builder) = hanging(2);
    let scene = Scene::start(builder.shutdown_timeout(Duration::from_millis(200)));
    scene.see_text(&["the cluster is ready"]).await;
    hang.begin().await;
    scene.handle.stop();
    assert_eq!(abandoned(&scene).await, 1);
    assert_eq!(scene.end().await.unwrap(), ExitReason::Stopped);
    drop(hang.end);
}

#[tokio::test]
async fn a_cluster_can_be_told_to_end_for_a_thread_that_cannot_be() {
    let (mut hang, builder) = hanging(2);
    let scene = Scene::start(builder.hang_timeout(LIMIT).exit_on_abandoned_thread());
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready"]).await;
    hang.begin().await;
    // Some of them wait at the socket of the thread that hangs, until somebody else takes them.
    let waiting: Vec<_> = (0..20).map(|_| wait_for_answer(address)).collect();
    abandoned(&scene).await;
    scene.see_text(&["stopping: every worker drains"]).await;
    scene.see_text(&["worker 2 (slot 1) ended: returned"]).await;
    let error = scene.end().await.unwrap_err();
    assert!(
        matches!(error, RunError::ThreadAbandoned(WorkerId(1))),
        "{error}"
    );
    drop((waiting, hang.end));
}

#[tokio::test]
async fn a_stop_that_was_asked_for_stays_one_when_a_thread_hangs_while_it_is_announced() {
    let (mut hang, builder) = hanging(2);
    let builder = builder
        .hang_timeout(LIMIT)
        .drain_delay(Duration::from_secs(10));
    let scene = Scene::start(builder.exit_on_abandoned_thread());
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready"]).await;
    scene.handle.stop();
    scene
        .see("a stop that is announced", |notice| match notice {
            Notice::Supervisor(Decision::Leaving { .. }) => Some(()),
            _ => None,
        })
        .await;
    hang.begin().await;
    let waiting: Vec<_> = (0..20).map(|_| wait_for_answer(address)).collect();
    abandoned(&scene).await;
    assert_eq!(scene.end().await.unwrap(), ExitReason::Stopped);
    drop((waiting, hang.end));
}

#[tokio::test]
async fn a_thread_that_spins_without_an_await_can_be_abandoned_too() {
    let (end, is_over) = tokio::sync::watch::channel(false);
    let main = async move |cluster: Cluster| -> Result<(), ListenError> {
        while cluster.id() == Some(WorkerId(1)) && !*is_over.borrow() {
            std::hint::spin_loop();
        }
        answer(cluster).await
    };
    let threads = Watcher::threads(1, main).boot_timeout(LIMIT);
    let scene = Scene::start(threads);
    assert_eq!(abandoned(&scene).await, 1);
    scene.see_text(&["worker 2 (slot 0) is ready"]).await;
    end.send_replace(true);
    scene.see_text(&["has ended after all"]).await;
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn whoever_still_has_a_handle_to_a_thread_that_is_abandoned_learns_that_nobody_answers() {
    let (sender, learnt) = channel();
    let (hangs, (end, is_over)) = (channel(), channel());
    let is_over = Arc::new(Mutex::new(is_over));
    let (begins, begun) = hangs;
    let main = async move |cluster: Cluster| {
        if cluster.id() != Some(WorkerId(1)) {
            return answer(cluster).await;
        }
        // Opens the endpoint on the runtime that is about to hang.
        cluster.send("before", &1).await.unwrap();
        let (helped, sender, begins) = (cluster.clone(), sender.clone(), begins.clone());
        std::thread::spawn(move || sender.send(learn(&helped, &begins)));
        let is_over = Arc::clone(&is_over);
        hang_until(&is_over);
        Ok(())
    };
    let watcher = Watcher::threads(1, main).boot_timeout(Duration::from_secs(3));
    let scene = Scene::start(watcher);
    assert_eq!(abandoned(&scene).await, 1);
    let learnt = tokio::task::spawn_blocking(move || {
        begun.recv_timeout(PATIENCE).unwrap();
        learnt.recv_timeout(PATIENCE).unwrap()
    });
    assert_eq!(learnt.await.unwrap(), (true, true));
    drop(end);
    scene.stop().await.unwrap();
}

/// Whether messages end, and sending fails, for one with a runtime of his own.
fn learn(cluster: &Cluster, begins: &Sender<()>) -> (bool, bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let mut messages = cluster.messages::<u32>("never").unwrap();
        begins.send(()).unwrap();
        let has_ended = messages.next().await.is_none();
        let sent = cluster.send("after", &2).await;
        (has_ended, matches!(sent, Err(SendError::WatcherGone)))
    })
}
