//! Large messages, slow receivers, and what they hold up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use everport::messages::{CallError, SendError};
use everport::{SlotId, WorkerId};
use everport_tests::{Kind, for_each_kind, take_turn};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::scene::{LONG, Scene};

for_each_kind!(
    async sixteen_mebibytes_go_both_ways_while_the_cluster_is_restarted,
    one_that_takes_nothing_holds_up_those_who_write_to_it_and_nobody_else,
    no_message_that_is_stuck_keeps_a_worker_from_being_told_to_drain,
    whoever_waits_to_send_learns_that_the_receiver_was_killed,
    one_that_stands_still_holds_up_its_own_messages_only_and_gets_them_when_it_goes_on,
    a_broadcast_reaches_the_others_although_one_takes_nothing,
);

/// Only how soon something is seen depends on this, not whether. Whoever looked all the time would take the processor from
/// those whom it waits for.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// As long as a message may be, without its two quotation marks.
const LONGEST: usize = 16 * 1024 * 1024 - 2;

async fn sixteen_mebibytes_go_both_ways_while_the_cluster_is_restarted(kind: Kind) {
    let _turn = take_turn();
    let scene = Arc::new(Scene::ready(kind, 2).await);
    let long = Arc::new("ü".repeat(LONGEST / 2));
    let (is_over, echoed) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let flooding: Vec<_> = (0..2)
        .map(|slot| {
            let (scene, long) = (Arc::clone(&scene), Arc::clone(&long));
            let (is_over, echoed) = (Arc::clone(&is_over), Arc::clone(&echoed));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    let status = scene.handle.status().await.unwrap();
                    let Some(worker) = status.serving(SlotId(slot)).map(|it| it.id) else {
                        continue;
                    };
                    let echo: Result<String, _> =
                        scene.handle.call(worker, "echo", &*long, LONG).await;
                    match echo {
                        Ok(echo) => {
                            assert!(echo == *long, "not what was sent");
                            echoed.fetch_add(1, Ordering::Relaxed);
                        }
                        // A worker that is replaced takes a call with it.
                        Err(CallError::WorkerGone(gone)) => assert_eq!(gone, worker),
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        })
        .collect();
    while echoed.load(Ordering::Relaxed) == 0 {
        sleep(BETWEEN_LOOKS).await;
    }
    // Each rollout takes two starts, two settled workers and two drains: frames over the links that are flooded beside.
    for generation in 2..4 {
        scene.handle.restart();
        scene
            .wait_for(&format!("rollout to generation {generation} finished"))
            .await;
    }
    let before = echoed.load(Ordering::Relaxed);
    while echoed.load(Ordering::Relaxed) == before {
        sleep(BETWEEN_LOOKS).await;
    }
    is_over.store(true, Ordering::Relaxed);
    for task in flooding {
        task.await.unwrap();
    }
}

async fn one_that_takes_nothing_holds_up_those_who_write_to_it_and_nobody_else(kind: Kind) {
    let scene = Scene::ready(kind, 3).await;
    let workers = scene.workers().await;
    let (hoarder, sender, other) = (workers[0], workers[1], workers[2]);
    let flood = Flood::that_is_stuck(&scene, hoarder).await;
    let order = json!({ "do": "count", "to": hoarder.0, "event": "hoard" });
    scene.order(sender, order).await;
    for number in 0..100 {
        for worker in [sender, other] {
            let answer = scene.call(worker, "echo", &json!(number)).await;
            assert_eq!(answer.unwrap(), number);
        }
        // The hoarder answers those who have not filled its window.
        for to in [hoarder, sender] {
            let order = json!({ "do": "call", "to": to.0, "event": "echo", "value": number });
            assert_eq!(scene.order(other, order).await, number);
        }
    }
    assert_eq!(flood.sent(), WINDOW_OF_FLOOD, "no back-pressure");
    assert!(!flood.sending.is_finished());
}

/// How many messages of a flood are under way when nobody takes them: each is a frame of 10,025 bytes, of 256 KiB.
const WINDOW_OF_FLOOD: usize = 26;

/// Messages that are sent without end, until that fails.
struct Flood {
    sent: Arc<AtomicUsize>,
    sending: JoinHandle<SendError>,
}

impl Flood {
    /// To a worker that is told to take none of them; its window is full.
    async fn that_is_stuck(scene: &Scene, hoarder: WorkerId) -> Self {
        let hoard = json!({ "do": "hoard", "event": "hoard" });
        scene.order(hoarder, hoard).await;
        let flood = Self::begin(scene, hoarder);
        while flood.sent() < WINDOW_OF_FLOOD {
            sleep(BETWEEN_LOOKS).await;
        }
        flood
    }

    fn begin(scene: &Scene, to: WorkerId) -> Self {
        let sent = Arc::new(AtomicUsize::new(0));
        let (handle, count) = (scene.handle.clone(), Arc::clone(&sent));
        let sending = tokio::spawn(async move {
            let value = "x".repeat(10_000);
            loop {
                if let Err(error) = handle.send_to(to, "hoard", &value).await {
                    return error;
                }
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { sent, sending }
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// It ends because the worker does, and not one more was sent until then.
    async fn check_that_it_ends_with(self, hoarder: WorkerId) {
        let error = self.sending.await.unwrap();
        assert!(
            matches!(error, SendError::WorkerGone(gone) if gone == hoarder),
            "{error}"
        );
        assert_eq!(self.sent.load(Ordering::Relaxed), WINDOW_OF_FLOOD);
    }
}

async fn no_message_that_is_stuck_keeps_a_worker_from_being_told_to_drain(kind: Kind) {
    let scene = Scene::ready(kind, 1).await;
    let hoarder = scene.workers().await[0];
    let flood = Flood::that_is_stuck(&scene, hoarder).await;
    // Nothing can be sent to it any more, and nothing ever will: were drains told in the same way, it would not hear of its own.
    scene.handle.restart().await.unwrap();
    scene.handle.at_rest().await.unwrap();
    let drained = format!("worker {hoarder} (slot 0) has drained");
    scene.wait_for(&drained).await;
    flood.check_that_it_ends_with(hoarder).await;
}

async fn whoever_waits_to_send_learns_that_the_receiver_was_killed(kind: Kind) {
    let scene = Scene::ready(kind, 1).await;
    let hoarder = scene.workers().await[0];
    let flood = Flood::that_is_stuck(&scene, hoarder).await;
    scene.kill(hoarder);
    flood.check_that_it_ends_with(hoarder).await;
}

async fn one_that_stands_still_holds_up_its_own_messages_only_and_gets_them_when_it_goes_on(
    kind: Kind,
) {
    let scene = Scene::ready(kind, 3).await;
    let workers = scene.workers().await;
    let (stopped, sender, other) = (workers[0], workers[1], workers[2]);
    scene.halt(stopped);
    let flood = {
        let handle = scene.handle.clone();
        tokio::spawn(async move {
            for number in 0..2000 {
                let value = json!([number, "x".repeat(1000)]);
                handle.send_to(stopped, "note", &value).await?;
            }
            Ok::<_, SendError>(())
        })
    };
    let order = json!({ "do": "count", "to": stopped.0, "event": "elsewhere" });
    scene.order(sender, order).await;
    for number in 0..200 {
        for worker in [sender, other] {
            assert_eq!(
                scene.call(worker, "echo", &json!(number)).await.unwrap(),
                number
            );
        }
        let order = json!({ "do": "call", "to": other.0, "event": "echo", "value": number });
        assert_eq!(scene.order(sender, order).await, number);
    }
    assert!(!flood.is_finished(), "2 MB for one that takes nothing");
    scene.go_on(stopped);
    let noted = scene.noted(stopped, 2000).await;
    for (number, message) in noted.as_array().unwrap().iter().enumerate() {
        assert_eq!(message[0], "the watcher");
        assert_eq!(message[1][0], number);
    }
    flood.await.unwrap().unwrap();
}

async fn a_broadcast_reaches_the_others_although_one_takes_nothing(kind: Kind) {
    let scene = Scene::ready(kind, 3).await;
    let workers = scene.workers().await;
    scene.halt(workers[1]);
    let value = "x".repeat(300_000);
    let broadcasting = {
        let (handle, value) = (scene.handle.clone(), value.clone());
        tokio::spawn(async move { handle.broadcast("note", &value).await })
    };
    for worker in [workers[0], workers[2]] {
        let noted = scene.noted(worker, 1).await;
        assert_eq!(noted, json!([["the watcher", value]]));
    }
    scene.go_on(workers[1]);
    let noted: Value = scene.noted(workers[1], 1).await;
    assert_eq!(noted, json!([["the watcher", value]]));
    broadcasting.await.unwrap().unwrap();
}
