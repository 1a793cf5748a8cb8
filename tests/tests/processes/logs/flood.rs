//! A worker that floods the log delays nobody by more than its share.

use std::time::Instant;

use everport_tests::{Kind, PATIENCE, for_each_kind};

use super::scene::{Scene, State};

for_each_kind!(
    records_of_others_come_in_time_and_none_is_lost,
    control_goes_on_during_a_flood,
);

/// Has any worker but this one log, and says which one does.
fn log_by_other(scene: &Scene, order: &str, spared: u64) -> u64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = scene.get(&format!("/log?{order}&spare={spared}"));
        if answer.body == "logging" {
            return answer.worker();
        }
        assert!(
            Instant::now() < deadline,
            "worker {spared} answers everything"
        );
    }
}

/// What a flooding worker may have told in one turn.
const TURN: usize = 64 << 10;

fn records_of_others_come_in_time_and_none_is_lost(kind: Kind) {
    const RECORDS: usize = 20;
    let scene = Scene::of(kind, "", |builder| builder.workers(2));
    let flooding = scene.get("/log?bytes=100&threads=2").worker();
    scene.told.wait_until("a flood", |state| {
        (state.received(flooding) > 1000).then_some(())
    });
    let mut calm = 0;
    for number in 1..=RECORDS as u64 {
        calm = log_by_other(&scene, "records=1&wait=1", flooding);
        scene.told.wait_until("a record of the other", |state| {
            (state.received(calm) >= number).then_some(())
        });
    }
    let state = scene.told.lock();
    assert_eq!(state.lost.get(&calm), None);
    let meanwhile = state.told_meanwhile(calm, flooding);
    assert_eq!(meanwhile.len(), RECORDS);
    // The turn that goes on and the next, and twice that on a busy machine; behind a full ring it would be 1 MiB. A
    // record whose thread had to make way between looking at the clock and handing it over was not there yet, so a few
    // may show more.
    let in_time = meanwhile.iter().filter(|bytes| **bytes <= 4 * TURN).count();
    assert!(in_time >= RECORDS * 3 / 4, "{meanwhile:?}");
}

fn control_goes_on_during_a_flood(kind: Kind) {
    let scene = Scene::of(kind, "", |builder| builder.workers(2));
    // Neither ever ends by itself.
    let first = scene.get("/log?bytes=1000&threads=2").worker();
    log_by_other(&scene, "bytes=1000&threads=2", first);
    let volume = |state: &State| state.volume.values().sum::<usize>();
    let before = scene.told.wait_until("both floods", |state| {
        let are_both = state.received(1) > 1000 && state.received(2) > 1000;
        are_both.then(|| volume(state))
    });
    scene.handle.scale(3);
    let started = "worker 3 (slot 2) started";
    scene.told.wait_for(started);
    let state = scene.told.lock();
    let after = state.volume_at(started, 1) + state.volume_at(started, 2);
    drop(state);
    // Queued behind the records that were there it would come after two full rings at least.
    assert!(
        after - before < 8 * TURN,
        "{} bytes came first",
        after - before
    );

    scene.told.wait_for("worker 3 (slot 2) is ready");
    scene.handle.restart();
    scene.told.wait_for("rollout to generation 2 finished");
    let state = scene.told.lock();
    // The second was replaced while it flooded.
    let at = |notice| state.volume_at(notice, 2);
    let [from, to] = ["worker 4 (slot 0) is ready", "worker 5 (slot 1) is ready"].map(at);
    assert!(from < to, "{from} to {to}");
    drop(state);
    let told = scene.stop();
    told.lock().check_order();
}
