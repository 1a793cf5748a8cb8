//! Workers that die, or are replaced, with messages on their way.

use std::collections::BTreeMap;

use everport::WorkerId;
use everport::log::Notice;
use everport::messages::{CallError, Peer, SendError};
use everport_tests::{Kind, for_each_kind};
use serde_json::{Value, json};

use super::scene::{Scene, error_of};

for_each_kind!(
    async a_call_to_a_worker_that_is_killed_fails_at_once,
    whoever_writes_to_a_worker_that_was_replaced_is_told_so_and_its_successor_has_another_id,
    nobody_is_reached_who_never_was,
    what_a_worker_had_sent_when_it_is_killed_arrives_whole_in_order_and_once,
    a_call_to_a_worker_that_is_replaced_fails_with_its_end,
);

async fn a_call_to_a_worker_that_is_killed_fails_at_once(kind: Kind) {
    let scene = Scene::ready(kind, 2).await;
    let workers = scene.workers().await;
    let victim = workers[1];
    let order = json!({ "do": "call", "to": victim.0, "event": "never" });
    let from_worker = {
        let (handle, caller) = (scene.handle.clone(), workers[0]);
        tokio::spawn(async move {
            let answer: Value = handle
                .call(caller, "do", &order, super::scene::LONG)
                .await
                .unwrap();
            answer
        })
    };
    let never = json!(null);
    let from_watcher = scene.call(victim, "never", &never);
    let killing = async {
        // Both are there once it has answered what came after them.
        for _ in 0..10 {
            scene.call(victim, "echo", &json!(1)).await.unwrap();
            scene.call(workers[0], "echo", &json!(1)).await.unwrap();
        }
        scene.kill(victim);
    };
    // The deadlines are as long as the tests' patience: nothing but the death can end these.
    let (answer, ()) = tokio::join!(from_watcher, killing);
    assert!(
        matches!(answer, Err(CallError::WorkerGone(gone)) if gone == victim),
        "{answer:?}"
    );
    let answer = from_worker.await.unwrap();
    let error = error_of(&answer);
    assert!(
        error.contains(&format!("worker {victim} is gone")),
        "{error}"
    );
}

async fn a_call_to_a_worker_that_is_replaced_fails_with_its_end(kind: Kind) {
    let scene = Scene::ready(kind, 1).await;
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

async fn whoever_writes_to_a_worker_that_was_replaced_is_told_so_and_its_successor_has_another_id(
    kind: Kind,
) {
    let scene = Scene::ready(kind, 2).await;
    let old = scene.workers().await;
    scene.handle.restart();
    let ended = old.clone();
    scene
        .wait_until("the end of the old workers", move |notices| {
            ended
                .iter()
                .all(|worker| has_ended(notices, *worker))
                .then_some(())
        })
        .await;
    let new = scene.workers().await;
    for worker in &old {
        let sent = scene.handle.send_to(*worker, "note", &1).await;
        assert!(
            matches!(sent, Err(SendError::WorkerGone(gone)) if gone == *worker),
            "{sent:?}"
        );
        let order = json!({ "do": "send", "to": worker.0 });
        let answer = scene.order(new[0], order).await;
        assert!(error_of(&answer).contains("is gone"), "{answer}");
        let order = json!({ "do": "call", "to": worker.0, "event": "echo" });
        let answer = scene.order(new[1], order).await;
        assert!(error_of(&answer).contains("is gone"), "{answer}");
    }
    scene.handle.broadcast("note", &2).await.unwrap();
    for worker in new {
        assert!(!old.contains(&worker));
        assert_eq!(scene.noted(worker, 1).await, json!([["the watcher", 2]]));
    }
}

fn has_ended(notices: &[Notice], wanted: WorkerId) -> bool {
    let mut ends = notices.iter();
    ends.any(|it| matches!(it, Notice::Ended { worker, .. } if *worker == wanted))
}

async fn nobody_is_reached_who_never_was(kind: Kind) {
    let scene = Scene::ready(kind, 1).await;
    let sent = scene.handle.send_to(WorkerId(4711), "note", &1).await;
    assert!(
        matches!(sent, Err(SendError::WorkerGone(WorkerId(4711)))),
        "{sent:?}"
    );
}

async fn what_a_worker_had_sent_when_it_is_killed_arrives_whole_in_order_and_once(kind: Kind) {
    let mut subscription = None;
    let scene = Scene::with(
        kind,
        3,
        |builder| builder,
        |handle| subscription = Some(handle.messages::<(u64, String)>("count").unwrap()),
    )
    .await;
    let mut counted = subscription.unwrap();
    let mut next: BTreeMap<Peer, u64> = BTreeMap::new();
    let workers = scene.workers().await;
    // One dies by itself when it has sent a thousand; the others send until they are killed.
    let last = 1000;
    let order = json!({ "do": "count", "event": "count", "value": last });
    scene.order(workers[0], order).await;
    for worker in &workers[1..] {
        let order = json!({ "do": "count", "event": "count" });
        scene.order(*worker, order).await;
    }
    let is_over =
        |next: &BTreeMap<Peer, u64>| next.values().filter(|count| **count >= last).count() == 3;
    while !is_over(&next) {
        note(&mut next, counted.next().await.unwrap().unwrap());
    }
    for worker in &workers[1..] {
        scene.kill(*worker);
    }
    let dead = workers.clone();
    scene
        .wait_until("three deaths", move |notices| {
            dead.iter()
                .all(|worker| has_ended(notices, *worker))
                .then_some(())
        })
        .await;
    // What they left comes before what is sent now.
    scene
        .handle
        .send_to(WorkerId(4711), "note", &1)
        .await
        .unwrap_err();
    let successor = scene.wait_until("a successor", newest_ready).await;
    let order = json!({ "do": "send", "event": "count", "value": [0, "the end"] });
    scene.order(successor, order).await;
    loop {
        let message = counted.next().await.unwrap().unwrap();
        if message.value.1 == "the end" {
            break;
        }
        note(&mut next, message);
    }
    assert_eq!(
        next[&Peer::Worker(workers[0])],
        last,
        "all that it had sent"
    );
}

/// The numbers of each sender come without a gap, so that none comes twice or too early.
fn note(next: &mut BTreeMap<Peer, u64>, message: everport::messages::Message<(u64, String)>) {
    let expected = next.entry(message.from).or_default();
    assert_eq!(message.value.0, *expected, "from {}", message.from);
    *expected += 1;
}

/// A worker of the second round that is ready.
fn newest_ready(notices: &[Notice]) -> Option<WorkerId> {
    use everport::watcher::Decision;
    notices.iter().find_map(|notice| match notice {
        Notice::Supervisor(Decision::WorkerReady { worker, .. }) if worker.0 > 3 => Some(*worker),
        _ => None,
    })
}
