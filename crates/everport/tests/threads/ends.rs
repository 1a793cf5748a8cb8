//! Ends that are not the worker's own choice.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use everport::log::{Notice, ThreadEnding};
use everport::watcher::{Decision, ExitReason};
use everport::{Cluster, Watcher};

use crate::scene::{PATIENCE, Scene, answer};

/// Says so when it is dropped.
struct Dropped(std::sync::mpsc::Sender<&'static str>, &'static str);

impl Drop for Dropped {
    fn drop(&mut self) {
        let _nobody = self.0.send(self.1);
    }
}

/// Serves, and never leaves by itself.
async fn stay(cluster: Cluster) -> Result<(), io::Error> {
    cluster.ready();
    std::future::pending().await
}

#[tokio::test]
async fn a_thread_that_overstays_its_drain_is_ended_with_all_of_its_tasks() {
    let (sender, dropped) = channel();
    let main = async move |cluster: Cluster| {
        let of_task = Dropped(sender.clone(), "task");
        tokio::spawn(async move {
            let _kept = of_task;
            std::future::pending::<()>().await;
        });
        let _of_main = Dropped(sender.clone(), "main");
        stay(cluster).await
    };
    let threads = Watcher::threads(1, main).shutdown_timeout(Duration::from_millis(200));
    let scene = Scene::start(threads);
    scene.see_text(&["the cluster is ready"]).await;
    let told = Arc::clone(&scene.told);
    assert_eq!(scene.stop().await.unwrap(), ExitReason::Stopped);
    let ending = told.find("its end", |notice| match notice {
        Notice::Ended { ending, .. } => ending.thread.clone(),
        _ => None,
    });
    assert!(
        matches!(ending, ThreadEnding::Killed | ThreadEnding::Failed(_)),
        "{ending:?}"
    );
    assert_eq!(told.count("thread_abandoned"), 0);
    let mut of_what: Vec<_> = dropped.try_iter().collect();
    of_what.sort_unstable();
    assert_eq!(
        of_what,
        ["main", "task"],
        "nothing of it is left when the cluster has ended"
    );
}

#[tokio::test]
async fn a_forced_stop_waits_for_nobody() {
    let scene = Scene::start(Watcher::threads(3, stay));
    scene.see_text(&["the cluster is ready: 3 workers"]).await;
    scene.handle.force_stop();
    let told = Arc::clone(&scene.told);
    assert_eq!(scene.end().await.unwrap(), ExitReason::Forced);
    assert_eq!(told.count("thread_abandoned"), 0);
    told.text(&["worker 3 (slot 2) ended: killed"]);
}

#[tokio::test]
async fn when_the_watcher_is_dropped_its_threads_drain_and_end() {
    let (sender, ended) = channel();
    let main = async move |cluster: Cluster| {
        let result = answer(cluster).await;
        sender.send(result.is_ok()).unwrap();
        result
    };
    let scene = Scene::start(Watcher::threads(2, main));
    scene.see_text(&["the cluster is ready"]).await;
    scene.running.abort();
    let told = Arc::clone(&scene.told);
    assert!(scene.running.await.unwrap_err().is_cancelled());
    for _ in 0..2 {
        let wait = ended.recv_timeout(PATIENCE);
        assert_eq!(wait, Ok(true), "{}", told.lines());
    }
}

#[tokio::test]
async fn without_a_watcher_a_thread_that_does_not_leave_is_ended_at_its_deadline() {
    let (sender, dropped) = channel();
    let main = async move |cluster: Cluster| {
        let _of_main = Dropped(sender.clone(), "main");
        stay(cluster).await
    };
    let threads = Watcher::threads(1, main).shutdown_timeout(Duration::from_millis(100));
    let scene = Scene::start(threads);
    scene.see_text(&["the cluster is ready"]).await;
    scene.running.abort();
    let _aborted = scene.running.await;
    let ended = tokio::task::spawn_blocking(move || dropped.recv_timeout(PATIENCE));
    assert_eq!(ended.await.unwrap(), Ok("main"));
}

#[tokio::test]
async fn a_thread_lives_as_long_as_it_may() {
    let threads = Watcher::threads(1, answer).max_lifetime(Duration::from_millis(300));
    let scene = Scene::start(threads);
    scene
        .see("a successor for its age", |notice| match notice {
            Notice::Supervisor(Decision::ReplacementStarted { cause, .. }) => {
                (format!("{cause:?}") == "Lifetime").then_some(())
            }
            _ => None,
        })
        .await;
    scene.see_text(&["worker 1 (slot 0) ended: returned"]).await;
    scene.stop().await.unwrap();
}

/// Says that it is being dropped, and is dropped when it may be.
struct Last {
    begins: std::sync::mpsc::Sender<()>,
    may_end: std::sync::mpsc::Receiver<()>,
}

impl Drop for Last {
    fn drop(&mut self) {
        let _heard = self.begins.send(());
        let _over = self.may_end.recv();
    }
}

thread_local! {
    static LAST: std::cell::RefCell<Option<Last>> = const { std::cell::RefCell::new(None) };
}

#[tokio::test]
async fn a_thread_has_ended_after_the_destructors_of_its_thread_local_variables() {
    let ((begins, begun), (end, may_end)) = (channel(), channel());
    let may_end = std::sync::Mutex::new(Some(may_end));
    let scene = Scene::start(Watcher::threads(1, async move |cluster: Cluster| {
        let begins = begins.clone();
        let last = may_end.lock().unwrap().take();
        LAST.set(last.map(|may_end| Last { begins, may_end }));
        answer(cluster).await
    }));
    scene.see_text(&["the cluster is ready"]).await;
    scene.handle.stop();
    tokio::task::spawn_blocking(move || begun.recv_timeout(PATIENCE))
        .await
        .unwrap()
        .unwrap();
    // Its main function has returned, and yet it is there.
    let status = scene.handle.status().await.unwrap();
    assert_eq!(status.workers.len(), 1);
    assert_eq!(scene.told.count("worker_ended"), 0);
    end.send(()).unwrap();
    let told = Arc::clone(&scene.told);
    assert_eq!(scene.end().await.unwrap(), ExitReason::Stopped);
    told.text(&["worker 1 (slot 0) ended: returned"]);
}
