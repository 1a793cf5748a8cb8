//! Two releases that have different types for one event.

use std::fs;

use everport::WorkerId;
use everport::log::Notice;
use everport::messages::Peer;
use everport::watcher::Decision;
use everport_tests::{Kind, for_each_kind};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::scene::{LONG, Scene, error_of};
use super::workers::{ARGUMENTS, workers_of};

for_each_kind!(
    async a_message_of_a_type_that_the_other_release_does_not_know_is_an_error_there_and_harms_nothing_else,
    a_request_or_an_answer_of_such_a_type_fails_the_one_call,
    a_field_that_only_the_new_release_knows_is_ignored_by_the_old_one_and_has_its_default_in_the_new_one,
);

/// A cluster in the midst of a rollout: two workers of the old release that serve, and one of the new one.
struct TwoReleases {
    scene: Scene,
    old: [WorkerId; 2],
    new: WorkerId,
    _release: TempDir,
}

impl TwoReleases {
    async fn begin(kind: Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let release = directory.path().join("release");
        fs::write(&release, "v1").unwrap();
        let arguments = format!("{ARGUMENTS} --release {}", release.display());
        let (builder, reins) = workers_of(kind, 2, &arguments);
        // The rollout waits at its first worker for longer than a test takes.
        let scene = Scene::of((builder.settle(LONG), reins), |_| ()).await;
        let old = scene.workers().await.try_into().unwrap();
        fs::write(&release, "v2 new-types").unwrap();
        // Nobody waits for its end.
        drop(scene.handle.restart());
        let new = scene
            .wait_until("a worker of the new release", newest)
            .await;
        Self {
            scene,
            old,
            new,
            _release: directory,
        }
    }

    async fn order(&self, worker: WorkerId, what: &str, to: WorkerId) -> Value {
        let order = json!({ "do": what, "to": to.0 });
        self.scene.order(worker, order).await
    }

    /// All three are there, and whatever both releases understand goes on.
    async fn check_that_nothing_else_has_suffered(&self) {
        let everybody = [self.old[0], self.old[1], self.new];
        for from in everybody {
            for to in everybody {
                let order = json!({ "do": "call", "to": to.0, "event": "echo", "value": from.0 });
                assert_eq!(self.scene.order(from, order).await, from.0);
            }
        }
        let status = self.scene.handle.status().await.unwrap();
        assert_eq!(status.workers.len(), everybody.len(), "{status:?}");
        let sold = self.order(self.old[0], "sell", self.old[1]).await;
        assert_eq!(sold, "done");
        let noted = self.scene.noted(self.old[1], 1).await;
        let sold = json!({ "article": 7, "count": 2 });
        assert_eq!(noted, json!([[name(self.old[0]), sold]]));
    }
}

fn newest(notices: &[Notice]) -> Option<WorkerId> {
    notices.iter().find_map(|notice| match notice {
        Notice::Supervisor(Decision::WorkerReady { worker, .. }) if worker.0 > 2 => Some(*worker),
        _ => None,
    })
}

fn name(worker: WorkerId) -> String {
    Peer::Worker(worker).to_string()
}

fn misunderstood(from: WorkerId) -> String {
    format!(
        "a message `sold` from worker {from} is not what was expected (the two releases may differ)"
    )
}

async fn a_message_of_a_type_that_the_other_release_does_not_know_is_an_error_there_and_harms_nothing_else(
    kind: Kind,
) {
    let two = TwoReleases::begin(kind).await;
    let (old, new) = (two.old, two.new);
    assert_eq!(two.order(new, "sell", old[0]).await, "done");
    assert_eq!(two.order(old[1], "sell", new).await, "done");
    assert_eq!(two.order(new, "sell-to-all", new).await, "done");
    let twice = json!([misunderstood(new), misunderstood(new)]);
    assert_eq!(two.scene.noted(old[0], 2).await, twice);
    let noted = two.scene.noted(old[1], 1).await;
    assert_eq!(noted, json!([misunderstood(new)]));
    let noted = two.scene.noted(new, 1).await;
    assert_eq!(noted, json!([misunderstood(old[1])]));
    // The streams go on: who understands the next one gets it.
    assert_eq!(two.order(new, "sell", new).await, "done");
    let sold = json!({ "article": "A-7", "count": 2 });
    let noted = two.scene.noted(new, 1).await;
    assert_eq!(noted, json!([[name(new), sold]]));
    two.check_that_nothing_else_has_suffered().await;
}

async fn a_request_or_an_answer_of_such_a_type_fails_the_one_call(kind: Kind) {
    let two = TwoReleases::begin(kind).await;
    let (old, new) = (two.old, two.new);
    for (from, to) in [(old[0], new), (new, old[0])] {
        // The request is not understood there.
        let answer = two.order(from, "order", to).await;
        let error = error_of(&answer);
        let expected = format!("worker {to} cannot answer: the request is not what is expected");
        assert!(error.starts_with(&expected), "{error}");
        // The answer is not understood here.
        let answer = two.order(from, "ask-for-a-price", to).await;
        let expected = format!(
            "the answer of worker {to} is not what was expected (the two releases may differ)"
        );
        assert_eq!(error_of(&answer), expected);
    }
    // Those of one release understand each other as before.
    for (from, to, price) in [(old[0], old[1], "100"), (new, new, "100 EUR")] {
        assert_eq!(two.order(from, "order", to).await, "2");
        assert_eq!(two.order(from, "ask-for-a-price", to).await, price);
    }
    two.check_that_nothing_else_has_suffered().await;
}

async fn a_field_that_only_the_new_release_knows_is_ignored_by_the_old_one_and_has_its_default_in_the_new_one(
    kind: Kind,
) {
    let two = TwoReleases::begin(kind).await;
    let (old, new) = (two.old[0], two.new);
    assert_eq!(two.order(new, "move", old).await, "done");
    let noted = two.scene.noted(old, 1).await;
    assert_eq!(noted, json!([[name(new), { "article": 7 }]]));
    assert_eq!(two.order(old, "move", new).await, "done");
    let noted = two.scene.noted(new, 1).await;
    assert_eq!(noted, json!([[name(old), { "article": 7, "shelf": 0 }]]));
    assert_eq!(two.order(new, "move", new).await, "done");
    let noted = two.scene.noted(new, 1).await;
    assert_eq!(noted, json!([[name(new), { "article": 7, "shelf": 3 }]]));
}
