//! Several clusters in one process, on runtimes of either flavour.

use everport::Watcher;
use everport::watcher::ExitReason;

use crate::scene::{Scene, answer, ask_from};

async fn run_two_side_by_side() {
    let first = Scene::start(Watcher::threads(2, answer));
    let second = Scene::start(Watcher::threads(1, answer));
    let addresses = [first.address().await, second.address().await];
    assert_ne!(addresses[0], addresses[1]);
    first.see_text(&["the cluster is ready: 2 workers"]).await;
    second.see_text(&["the cluster is ready: 1 worker"]).await;
    // Each has its own worker 1, and knows nothing of the other.
    assert_eq!(ask_from(addresses[1]).await.unwrap().worker, 1);
    assert_eq!(first.stop().await.unwrap(), ExitReason::Stopped);
    assert!(ask_from(addresses[0]).await.is_err());
    assert_eq!(ask_from(addresses[1]).await.unwrap().worker, 1);
    assert_eq!(second.stop().await.unwrap(), ExitReason::Stopped);
}

#[tokio::test]
async fn two_clusters_share_a_current_thread_runtime() {
    run_two_side_by_side().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clusters_share_a_multi_thread_runtime() {
    run_two_side_by_side().await;
}
