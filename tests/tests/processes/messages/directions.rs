//! Who can write to whom.

use everport::WorkerId;
use everport::messages::{Message, Peer, SendError, SubscribeError};
use everport::watcher::ExitReason;
use everport_tests::{Kind, for_each_kind};
use serde_json::{Value, json};

use super::scene::{LONG, Scene, error_of};
use super::workers::{ARGUMENTS, workers_of};

for_each_kind!(
    async workers_write_to_the_watcher_which_sees_who_they_are,
    the_watcher_writes_to_one_worker_or_to_all,
    workers_write_to_one_another_and_to_all_others,
    what_is_sent_before_the_watcher_runs_waits_for_it_and_ends_with_it,
    a_watcher_that_never_runs_is_gone,
    the_limit_of_messages_is_an_error_for_the_sender,
);

async fn workers_write_to_the_watcher_which_sees_who_they_are(kind: Kind) {
    let mut subscription = None;
    let scene = Scene::with(
        kind,
        2,
        |builder| builder,
        |handle| subscription = Some(handle.messages::<Value>("up").unwrap()),
    )
    .await;
    let mut up = subscription.unwrap();
    for worker in scene.workers().await {
        let order = json!({ "do": "send", "event": "up", "value": { "a": [1, "ü"] } });
        assert_eq!(scene.order(worker, order).await, "done");
        let Message { from, value } = up.next().await.unwrap().unwrap();
        assert_eq!(from, Peer::Worker(worker));
        assert_eq!(value, json!({ "a": [1, "ü"] }));
    }
    let taken = scene.handle.messages::<Value>("up").map(drop);
    assert_eq!(taken, Err(SubscribeError::Taken("up".to_owned())));
    drop(up);
    drop(scene.handle.messages::<Value>("up").unwrap());
    assert_eq!(scene.stop().await, ExitReason::Stopped);
}

async fn the_watcher_writes_to_one_worker_or_to_all(kind: Kind) {
    let scene = Scene::ready(kind, 3).await;
    let workers = scene.workers().await;
    scene
        .handle
        .send_to(workers[1], "note", "one")
        .await
        .unwrap();
    scene.handle.broadcast("note", "all").await.unwrap();
    let from_watcher = |values: &[&str]| -> Value {
        values
            .iter()
            .map(|value| json!(["the watcher", value]))
            .collect()
    };
    assert_eq!(scene.noted(workers[0], 1).await, from_watcher(&["all"]));
    let both = from_watcher(&["one", "all"]);
    assert_eq!(scene.noted(workers[1], 2).await, both);
    assert_eq!(scene.noted(workers[2], 1).await, from_watcher(&["all"]));
}

async fn workers_write_to_one_another_and_to_all_others(kind: Kind) {
    let scene = Scene::ready(kind, 3).await;
    let workers = scene.workers().await;
    let [a, b, c] = workers[..] else {
        panic!("not three workers: {workers:?}");
    };
    let order = json!({ "do": "send", "to": b.0, "value": "to b" });
    assert_eq!(scene.order(a, order).await, "done");
    let order = json!({ "do": "send", "to": a.0, "value": "to myself" });
    assert_eq!(scene.order(a, order).await, "done");
    let order = json!({ "do": "broadcast", "value": "to all" });
    assert_eq!(scene.order(b, order).await, "done");
    let from_b = json!([b_name(b), "to all"]);
    assert_eq!(scene.noted(b, 1).await, json!([[b_name(a), "to b"]]));
    assert_eq!(
        scene.noted(a, 2).await,
        json!([[b_name(a), "to myself"], from_b])
    );
    assert_eq!(scene.noted(c, 1).await, json!([from_b]));
    // Its own did not come back.
    scene.handle.send_to(b, "note", "the end").await.unwrap();
    assert_eq!(scene.noted(b, 1).await, json!([["the watcher", "the end"]]));
}

fn b_name(worker: WorkerId) -> String {
    Peer::Worker(worker).to_string()
}

async fn what_is_sent_before_the_watcher_runs_waits_for_it_and_ends_with_it(kind: Kind) {
    let watcher = workers_of(kind, 1, ARGUMENTS).0.build().unwrap();
    let handle = watcher.handle();
    handle
        .answer("twice", async |asked: Message<u32>| asked.value * 2)
        .unwrap();
    let early = {
        let handle = handle.clone();
        tokio::spawn(async move {
            let twice: u32 = handle
                .call(Peer::Watcher, "twice", &21, LONG)
                .await
                .unwrap();
            twice
        })
    };
    let running = tokio::spawn(watcher.run());
    assert_eq!(early.await.unwrap(), 42);
    let mut last = handle.messages::<u32>("last").unwrap();
    handle.force_stop();
    running.await.unwrap().unwrap();
    assert!(
        last.next().await.is_none(),
        "the end comes after everything else"
    );
    assert_closed(&handle).await;
}

async fn a_watcher_that_never_runs_is_gone(kind: Kind) {
    let watcher = workers_of(kind, 1, ARGUMENTS).0.build().unwrap();
    let handle = watcher.handle();
    drop(watcher);
    assert_closed(&handle).await;
}

async fn assert_closed(handle: &everport::watcher::Handle) {
    let sent = handle.send_to(WorkerId(1), "note", &1).await;
    assert!(matches!(sent, Err(SendError::WatcherGone)), "{sent:?}");
    let sent = handle.broadcast("note", &1).await;
    assert!(matches!(sent, Err(SendError::WatcherGone)), "{sent:?}");
    let mut messages = handle.messages::<u32>("end").unwrap();
    assert!(messages.next().await.is_none());
}

async fn the_limit_of_messages_is_an_error_for_the_sender(kind: Kind) {
    let scene = Scene::with(kind, 2, |builder| builder.message_limit(64 * 1024), |_| ()).await;
    let workers = scene.workers().await;
    let long = "x".repeat(64 * 1024 - 1);
    let sent = scene.handle.send_to(workers[0], "note", &long).await;
    let (length, limit) = (64 * 1024 + 1, 64 * 1024);
    assert!(
        matches!(sent, Err(SendError::TooLong { length: a, limit: b }) if (a, b) == (length, limit)),
        "{sent:?}"
    );
    // Two quotation marks belong to the value.
    let longest = &long[1..];
    let echo = scene.call(workers[0], "echo", &json!(longest)).await;
    assert_eq!(echo.unwrap(), longest);
    let order = json!({ "do": "send-long", "to": workers[1].0, "value": 64 * 1024 });
    let answer = scene.order(workers[0], order).await;
    let error = error_of(&answer);
    assert!(
        error.contains("longer than the limit of 65536 bytes"),
        "{error}"
    );
    let answer = scene.call(workers[0], "long", &json!(64 * 1024)).await;
    let error = answer.unwrap_err().to_string();
    assert!(
        error.contains("longer than the limit of 65536 bytes"),
        "{error}"
    );
}
