//! A thread's life from its start to its ordinary end.

use std::rc::Rc;
use std::sync::mpsc;
use std::time::Duration;

use everport::log::Notice;
use everport::watcher::{Decision, ExitReason};
use everport::{Cluster, Watcher};

use crate::scene::{PATIENCE, Scene, answer, answer_at, ask_from};

#[tokio::test]
async fn threads_serve_restart_ready_first_scale_and_stop() {
    let scene = Scene::start(Watcher::threads(2, answer));
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready: 2 workers"]).await;
    assert_eq!(ask_from(address).await.unwrap().generation, 1);
    scene.handle.restart();
    scene.see_text(&["rollout to generation 2 finished"]).await;
    // One of the first generation may still take what came for it.
    scene.handle.at_rest().await.unwrap();
    assert_eq!(ask_from(address).await.unwrap().generation, 2);
    for (successor, old) in [(3, 1), (4, 2)] {
        assert_ready_first(&scene, successor, old);
    }
    scene.handle.scale(3);
    scene.see_text(&["worker 5 (slot 2) is ready"]).await;
    let text = scene.see_text(&["worker 1 (slot 0) ended"]).await;
    assert_eq!(text, "worker 1 (slot 0) ended: returned");
    scene.handle.scale(1);
    scene.see_text(&["(slot 2) ended: returned"]).await;
    assert_eq!(ask_from(address).await.unwrap().slot, 0);
    assert_eq!(scene.stop().await.unwrap(), ExitReason::Stopped);
}

/// A successor was ready before the old worker was told to drain.
#[track_caller]
fn assert_ready_first(scene: &Scene, successor: u64, old: u64) {
    let place = |worker: u64, what: &str| {
        let slot = (worker - 1) % 2;
        let text = format!("worker {worker} (slot {slot}) {what}");
        scene.told.place_of(&text)
    };
    let (is_ready, drains) = (place(successor, "is ready"), place(old, "drains"));
    assert!(is_ready < drains, "{}", scene.told.lines());
}

#[tokio::test]
async fn the_log_says_that_workers_are_threads() {
    let scene = Scene::start(Watcher::threads(1, answer));
    let text = scene.see_text(&["everport"]).await;
    assert!(text.contains("\n1 thread of /"), "{text}");
    let text = scene.see_text(&["worker 1 (slot 0) started"]).await;
    assert_eq!(
        text,
        "worker 1 (slot 0) started: thread worker-1, generation 1"
    );
    scene.stop().await.unwrap();
}

/// Sends what a worker finds out about itself, and then serves.
async fn tell(
    findings: &mpsc::Sender<String>,
    cluster: Cluster,
) -> Result<(), everport::ListenError> {
    // Neither is `Send`: the future stays on this thread.
    let name = Rc::new(std::thread::current().name().unwrap_or_default().to_owned());
    let flavour = tokio::runtime::Handle::current().runtime_flavor();
    let blocking = tokio::task::spawn_blocking(|| std::thread::current().name().map(str::to_owned));
    let blocking = blocking.await.unwrap();
    let text = format!("{name} {flavour:?} {blocking:?} {}", cluster.is_worker());
    findings.send(text).unwrap();
    answer(cluster).await
}

#[tokio::test]
async fn a_worker_has_a_thread_with_its_name_and_a_current_thread_runtime() {
    let (sender, findings) = mpsc::channel();
    let scene = Scene::start(Watcher::threads(1, async move |cluster| {
        tell(&sender, cluster).await
    }));
    scene.see_text(&["the cluster is ready"]).await;
    let text = findings.recv_timeout(PATIENCE).unwrap();
    assert_eq!(text, r#"worker-1 CurrentThread Some("blocking-1") true"#);
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn a_worker_that_was_handed_its_cluster_can_still_choose_when_it_is_ready() {
    let (sender, is_warm) = tokio::sync::watch::channel(false);
    let scene = Scene::start(Watcher::threads(1, async move |cluster: Cluster| {
        cluster.explicit_ready();
        let warm = async {
            let mut is_warm = is_warm.clone();
            is_warm.wait_for(|is_warm| *is_warm).await.unwrap();
            cluster.ready();
        };
        tokio::join!(answer_at(&cluster, "127.0.0.1:0"), warm).0
    }));
    // It accepts already, and is not ready all the same.
    let address = scene.address().await;
    assert_eq!(ask_from(address).await.unwrap().worker, 1);
    assert_eq!(scene.told.count("worker_ready"), 0);
    sender.send_replace(true);
    scene.see_text(&["worker 1 (slot 0) is ready"]).await;
    scene.stop().await.unwrap();
}

#[tokio::test]
async fn a_blocking_task_holds_up_nobodys_end() {
    let (sender, receiver) = mpsc::channel::<()>();
    let receiver = std::sync::Mutex::new(Some(receiver));
    let scene = Scene::start(Watcher::threads(1, async move |cluster: Cluster| {
        let receiver = receiver.lock().unwrap().take();
        tokio::task::spawn_blocking(move || receiver.map(|receiver| receiver.recv()));
        answer(cluster).await
    }));
    scene.see_text(&["the cluster is ready"]).await;
    assert_eq!(scene.stop().await.unwrap(), ExitReason::Stopped);
    drop(sender);
}

#[tokio::test]
async fn a_worker_that_asks_for_a_successor_gets_one_that_is_ready_first() {
    let scene = Scene::start(
        Watcher::threads(1, answer)
            .max_connections(3)
            .shutdown_timeout(Duration::from_secs(10)),
    );
    let address = scene.address().await;
    let mut first = None;
    while first.is_none_or(|worker| worker == 1) {
        first = Some(ask_from(address).await.unwrap().worker);
    }
    scene
        .see("a replacement", |notice| match notice {
            Notice::Supervisor(Decision::ReplacementStarted { .. }) => Some(()),
            _ => None,
        })
        .await;
    scene.see_text(&["worker 1 (slot 0) drains"]).await;
    let told = &scene.told;
    let is_ready = told.place_of("worker 2 (slot 0) is ready");
    let drains = told.place_of("worker 1 (slot 0) drains");
    assert!(is_ready < drains, "{}", told.lines());
    scene.stop().await.unwrap();
}
