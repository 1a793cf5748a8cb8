//! Messages of workers that are threads.

use everport::messages::{CallError, Message, Peer};
use everport::watcher::ExitReason;
use serde_json::json;

use super::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn threads_exchange_messages_as_processes_do() {
    let scene = Scene::of_threads(3).await;
    let workers = scene.workers().await;
    let hear = async |asked: Message<String>| format!("{} said {}", asked.from, asked.value);
    scene.handle.answer("hear", hear).unwrap();
    let order = json!({ "do": "call", "event": "hear", "value": "up" });
    let answer = scene.order(workers[0], order).await;
    assert_eq!(answer, format!("{} said up", Peer::Worker(workers[0])));
    let order = json!({ "do": "call", "to": workers[1].0, "event": "echo", "value": "across" });
    assert_eq!(scene.order(workers[0], order).await, "across");
    let order = json!({ "do": "broadcast", "value": "all" });
    assert_eq!(scene.order(workers[0], order).await, "done");
    for worker in &workers[1..] {
        let from = Peer::Worker(workers[0]).to_string();
        assert_eq!(scene.noted(*worker, 1).await, json!([[from, "all"]]));
    }
    let long = "x".repeat(5_000_000);
    let echo = scene.call(workers[2], "echo", &json!(long)).await.unwrap();
    assert!(echo == long, "not what was sent");
    assert_eq!(scene.stop().await, ExitReason::Stopped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_to_a_thread_that_is_replaced_fails_with_its_end() {
    let scene = Scene::of_threads(1).await;
    let old = scene.workers().await[0];
    let never = json!(null);
    let calling = scene.call(old, "never", &never);
    let restarting = async {
        scene.call(old, "echo", &json!(1)).await.unwrap();
        scene.handle.restart().await.unwrap();
    };
    // The deadline is as long as the tests' patience: nothing but the end of the worker can end this.
    let (answer, ()) = tokio::join!(calling, restarting);
    assert!(
        matches!(answer, Err(CallError::WorkerGone(gone)) if gone == old),
        "{answer:?}"
    );
    let new = scene.workers().await[0];
    assert_ne!(new, old);
    assert_eq!(scene.call(new, "echo", &json!(2)).await.unwrap(), 2);
}
