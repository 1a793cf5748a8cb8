//! Workers that drain: what they still send and get, and what their end is for those who wait for them.

use std::time::Duration;

use everport::WorkerId;
use everport::messages::{CallError, Message, Peer, SendError};
use everport_tests::{Kind, for_each_kind};
use serde_json::{Value, json};

use super::scene::{LONG, Scene, error_of};

for_each_kind!(
    async a_draining_worker_sends_and_gets_messages_until_it_ends,
    a_call_to_a_draining_worker_fails_at_once_when_it_ends,
    a_call_to_a_draining_worker_fails_at_once_when_its_deadline_ends_it,
    a_draining_worker_asks_its_successor_and_is_asked_by_it,
    what_a_worker_sends_as_the_last_thing_of_its_drain_arrives,
);

/// A cluster of so many workers that drain until they are let go, and of their successors.
struct Changing {
    scene: Scene,
    old: Vec<WorkerId>,
    new: Vec<WorkerId>,
}

impl Changing {
    async fn begin(
        kind: Kind,
        workers: u32,
        deadline: Duration,
        before: impl FnOnce(&everport::watcher::Handle),
    ) -> Self {
        let scene = Scene::with(
            kind,
            workers,
            |builder| builder.shutdown_timeout(deadline),
            before,
        )
        .await;
        let old = scene.workers().await;
        for worker in &old {
            let order = json!({ "do": "hold-drain", "value": worker.0 });
            assert_eq!(scene.order(*worker, order).await, "held");
        }
        scene.handle.restart().await.unwrap();
        let new = scene.workers().await;
        let changing = Self { scene, old, new };
        for worker in &changing.old {
            let drains = format!("worker {worker} (slot");
            changing
                .scene
                .wait_until(&format!("{drains} … drains"), move |notices| {
                    let mut texts = notices.iter().map(ToString::to_string);
                    texts
                        .any(|text| text.contains(&drains) && text.contains(" drains: "))
                        .then_some(())
                })
                .await;
        }
        changing
    }

    /// One that serves no more.
    async fn ends(&self, worker: WorkerId) {
        let order = json!({ "do": "let-go" });
        assert_eq!(self.scene.order(worker, order).await, "done");
    }
}

async fn a_draining_worker_sends_and_gets_messages_until_it_ends(kind: Kind) {
    let mut subscription = None;
    let changing = Changing::begin(kind, 2, LONG, |handle| {
        subscription = Some(handle.messages::<Value>("up").unwrap());
    })
    .await;
    let mut up = subscription.unwrap();
    let Changing { scene, old, new } = &changing;
    let (one, other) = (old[0], old[1]);
    // What the watcher sends, to one and to all.
    scene.handle.send_to(one, "note", &1).await.unwrap();
    scene.handle.broadcast("note", &2).await.unwrap();
    let noted = scene.noted(one, 2).await;
    assert_eq!(noted, json!([["the watcher", 1], ["the watcher", 2]]));
    for worker in [other, new[0], new[1]] {
        assert_eq!(scene.noted(worker, 1).await, json!([["the watcher", 2]]));
    }
    // What it sends itself: to the watcher, to one, to all others.
    let order = json!({ "do": "send", "event": "up", "value": 3 });
    assert_eq!(scene.order(one, order).await, "done");
    let Message { from, value } = up.next().await.unwrap().unwrap();
    assert_eq!((from, value), (Peer::Worker(one), json!(3)));
    let order = json!({ "do": "send", "to": new[0].0, "value": 4 });
    assert_eq!(scene.order(one, order).await, "done");
    let order = json!({ "do": "broadcast", "value": 5 });
    assert_eq!(scene.order(one, order).await, "done");
    let from_one = |value: u64| json!([Peer::Worker(one).to_string(), value]);
    let noted = scene.noted(new[0], 2).await;
    assert_eq!(noted, json!([from_one(4), from_one(5)]));
    for worker in [other, new[1]] {
        assert_eq!(scene.noted(worker, 1).await, json!([from_one(5)]));
    }
    // And what its successors send to it.
    let order = json!({ "do": "broadcast", "value": 6 });
    assert_eq!(scene.order(new[1], order).await, "done");
    let from_new = json!([[Peer::Worker(new[1]).to_string(), 6]]);
    for worker in [one, other, new[0]] {
        assert_eq!(scene.noted(worker, 1).await, from_new);
    }
    changing.ends(one).await;
    changing.ends(other).await;
    scene.handle.at_rest().await.unwrap();
    let sent = scene.handle.send_to(one, "note", &7).await;
    assert!(matches!(sent, Err(SendError::WorkerGone(gone)) if gone == one));
}

async fn a_draining_worker_asks_its_successor_and_is_asked_by_it(kind: Kind) {
    let changing = Changing::begin(kind, 1, LONG, |_| ()).await;
    let Changing { scene, old, new } = &changing;
    for (from, to) in [(old[0], new[0]), (new[0], old[0]), (old[0], old[0])] {
        let order = json!({ "do": "call", "to": to.0, "event": "echo", "value": "still there" });
        assert_eq!(scene.order(from, order).await, "still there");
    }
    let order = json!({ "do": "call", "event": "nobody answers this" });
    let answer = scene.order(old[0], order).await;
    assert!(
        error_of(&answer).contains("the watcher answers no requests"),
        "{answer}"
    );
    changing.ends(old[0]).await;
}

async fn a_call_to_a_draining_worker_fails_at_once_when_it_ends(kind: Kind) {
    let changing = Changing::begin(kind, 1, LONG, |_| ()).await;
    let ending = async || {
        // Both calls are there once it has answered what came after them.
        for worker in [changing.old[0], changing.new[0]] {
            changing
                .scene
                .call(worker, "echo", &json!(1))
                .await
                .unwrap();
        }
        changing.ends(changing.old[0]).await;
    };
    calls_fail(&changing, ending).await;
}

/// A thread cannot be ended, and goes on without its cluster; to everybody else it is gone as a process is.
async fn a_call_to_a_draining_worker_fails_at_once_when_its_deadline_ends_it(kind: Kind) {
    let changing = Changing::begin(kind, 1, Duration::from_secs(3), |_| ()).await;
    calls_fail(&changing, async || ()).await;
}

/// The deadlines of the calls are as long as the tests' patience: nothing but the worker's end can end these.
async fn calls_fail(changing: &Changing, end: impl AsyncFnOnce()) {
    let Changing { scene, old, new } = changing;
    let (old, new) = (old[0], new[0]);
    let null = json!(null);
    let from_watcher = scene.call(old, "never", &null);
    let order = json!({ "do": "call", "to": old.0, "event": "never" });
    let from_successor = scene.order(new, order);
    let (answer, told, ()) = tokio::join!(from_watcher, from_successor, end());
    assert!(
        matches!(answer, Err(CallError::WorkerGone(gone)) if gone == old),
        "{answer:?}"
    );
    let error = error_of(&told);
    assert!(error.contains(&format!("worker {old} is gone")), "{error}");
    // And from then on.
    let answer = scene.call(old, "echo", &json!(2)).await;
    assert!(matches!(answer, Err(CallError::WorkerGone(gone)) if gone == old));
    assert_eq!(scene.call(new, "echo", &json!(3)).await.unwrap(), 3);
}

async fn what_a_worker_sends_as_the_last_thing_of_its_drain_arrives(kind: Kind) {
    let mut subscription = None;
    let changing = Changing::begin(kind, 2, LONG, |handle| {
        subscription = Some(handle.messages::<u64>("last words").unwrap());
    })
    .await;
    let mut last_words = subscription.unwrap();
    for worker in &changing.old {
        changing.ends(*worker).await;
        let said = last_words.next().await.unwrap().unwrap();
        assert_eq!((said.from, said.value), (Peer::Worker(*worker), worker.0));
    }
}
