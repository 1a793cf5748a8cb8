//! A thread's life from its start to its ordinary end.

use everport::Watcher;
use everport::watcher::ExitReason;

use crate::scene::{Scene, answer, ask_from};

#[tokio::test]
async fn threads_serve_restart_ready_first_scale_and_stop() {
    let scene = Scene::start(Watcher::threads(2, answer));
    let address = scene.address().await;
    scene.see_text(&["the cluster is ready: 2 workers"]).await;
    assert_eq!(ask_from(address).await.unwrap().generation, 1);
    scene.handle.restart();
    scene.see_text(&["rollout to generation 2 finished"]).await;
    assert_eq!(ask_from(address).await.unwrap().generation, 2);
    scene.handle.scale(3);
    scene.see_text(&["worker 5 (slot 2) is ready"]).await;
    let text = scene.see_text(&["worker 1 (slot 0) ended"]).await;
    assert_eq!(text, "worker 1 (slot 0) ended: returned");
    assert_eq!(scene.stop().await.unwrap(), ExitReason::Stopped);
}
