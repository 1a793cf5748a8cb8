//! A worker that floods the log delays nobody by more than its share.

use std::time::Instant;

use everport_tests::PATIENCE;

use super::scene::Scene;

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

/// How much of the flood may be told between a record's being handed over and its being told: the flooding worker's share
/// is 64 KiB for each turn of the others, and there may be some turns that were on their way.
const SHARE: usize = 4 << 20;

#[test]
fn records_of_others_come_in_time_and_none_is_lost() {
    let scene = Scene::new("", |builder| builder.workers(2));
    let flooding = scene.get("/log?bytes=100&threads=2").worker();
    scene.told.wait_until("a flood", |state| {
        (state.received(flooding) > 1000).then_some(())
    });
    for number in 1..=20 {
        let volume = |state: &super::scene::State| state.volume[&flooding];
        let before = volume(&scene.told.lock());
        let calm = log_by_other(&scene, "records=1&wait=1", flooding);
        let after = scene.told.wait_until("a record of the other", |state| {
            (state.received(calm) >= number).then(|| volume(state))
        });
        assert!(
            after - before < SHARE,
            "{} bytes of the flood came first",
            after - before
        );
        assert_eq!(scene.told.lock().lost.get(&calm), None);
    }
}

#[test]
fn control_goes_on_during_a_flood() {
    let scene = Scene::new("", |builder| builder.workers(2));
    let flooding = scene.get("/log?bytes=1000&threads=2").worker();
    log_by_other(&scene, "bytes=1000&threads=2", flooding);
    scene.handle.restart();
    scene.told.wait_for("rollout to generation 2 finished");
    scene.handle.scale(3);
    scene.told.wait_for("worker 5 (slot 2) is ready");
    let told = scene.stop();
    told.lock().check_order();
}
