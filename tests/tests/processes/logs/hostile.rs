//! A worker that does with its ring what it should not costs nobody else anything. Processes only: what writes a thread's
//! ring is this program's own code, no stranger.

use std::time::Instant;

use everport_tests::PATIENCE;

use super::scene::Scene;

#[test]
fn what_is_no_record_costs_the_worker_its_ring_and_nobody_else_anything() {
    let ways = [
        "head-too-far",
        "head-behind",
        "no-length",
        "too-long",
        "half-a-record",
        "no-record",
        "no-text",
    ];
    for way in ways {
        let scene = Scene::new("", |builder| builder.workers(2));
        let spoiler = scene.get(&format!("/spoil-ring?how={way}"));
        assert_eq!(spoiler.body, "spoiled", "{way}");
        let spoiler = spoiler.worker();
        let notice = scene.told.wait_for("in its ring");
        assert!(
            notice.contains(&format!("worker {spoiler} ")),
            "{way}: {notice}"
        );
        // Both serve on, and the other one logs.
        let mut others = 0;
        while others < 10 {
            let answer = scene.get("/log?records=10&wait=1");
            assert_eq!(answer.body, "logging", "{way}");
            others += usize::from(answer.worker() != spoiler);
        }
        scene.told.wait_until("records of the other", |state| {
            (state.received(3 - spoiler) == 100).then_some(())
        });
        assert_eq!(scene.told.lock().received(spoiler), 0, "{way}");
        let told = scene.stop();
        let state = told.lock();
        let broken = state
            .notices
            .iter()
            .filter(|notice| notice.contains("in its ring"));
        assert_eq!(broken.count(), 1, "{way}: {:#?}", state.notices);
    }
}

#[test]
fn a_count_of_lost_records_that_shrinks_costs_the_worker_its_ring() {
    let scene = Scene::new("", |builder| builder);
    assert_eq!(scene.get("/spoil-ring?how=ten-lost").body, "spoiled");
    scene.told.wait_until("ten lost records", |state| {
        (state.lost.get(&1) == Some(&10)).then_some(())
    });
    assert_eq!(scene.get("/spoil-ring?how=nine-lost").body, "spoiled");
    scene.told.wait_for("ring");
    // What it logs from then on is printed, as without a ring.
    let until = Instant::now() + PATIENCE;
    let is_printed = |line: &String| line.contains("as an error");
    while !scene.told.lock().lines.iter().any(is_printed) {
        assert!(Instant::now() < until, "nothing is printed");
        assert_eq!(scene.get("/log-levels").body, "logged");
    }
    assert_eq!(scene.stop().lock().lost.get(&1), Some(&10));
}

#[test]
fn a_record_written_by_hand_as_the_protocol_says_is_told() {
    let scene = Scene::new("", |builder| builder);
    assert_eq!(scene.get("/spoil-ring?how=well").body, "spoiled");
    let record = scene.told.wait_for_record("a record by hand");
    assert_eq!((record.worker, record.target.as_str()), (1, "rings"));
    assert_eq!(record.thread, "hand");
}
