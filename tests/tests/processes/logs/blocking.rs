//! A log that takes nothing: workers drop records and count them, or wait, and go on serving in both cases.

use std::time::Duration;

use everport::log::WhenFull;
use everport_tests::{Gaps, Kind, for_each_kind, unless_spoilt};

use super::scene::Scene;

for_each_kind!(
    what_is_dropped_is_counted_to_the_last_record,
    what_is_lost_is_told_while_the_worker_lives,
    who_waits_for_the_log_loses_nothing_and_goes_on_serving,
);

/// More than a ring and everything between it and the sink can hold.
const TOO_MANY: u64 = 50_000;

fn what_is_dropped_is_counted_to_the_last_record(kind: Kind) {
    let scene = Scene::of(kind, "", |builder| builder.log_ring(256 * 1024));
    scene.told.be_stuck(true);
    // It never waits, so it comes to the end although the log takes nothing.
    let answer = scene.get(&format!(
        "/log?records={TOO_MANY}&threads=2&bytes=100&wait=1"
    ));
    assert_eq!(answer.body, "logging");
    assert_eq!(scene.get("/").body, "Hello, World!");
    scene.told.be_stuck(false);
    let told = scene.stop();
    let state = told.lock();
    let lost = state.lost.get(&1).copied().unwrap_or(0);
    assert_eq!(state.received(1) + lost, 2 * TOO_MANY);
    assert!(lost > 0 && state.received(1) > 0, "{lost} lost");
    state.check_order();
}

fn what_is_lost_is_told_while_the_worker_lives(kind: Kind) {
    let scene = Scene::of(kind, "", |builder| builder.log_ring(256 * 1024));
    scene.told.be_stuck(true);
    scene.get(&format!("/log?records={TOO_MANY}&bytes=100&wait=1"));
    scene.told.be_stuck(false);
    scene.told.wait_until("all records", |state| {
        let lost = state.lost.get(&1).copied().unwrap_or(0);
        (state.received(1) + lost == TOO_MANY).then_some(())
    });
    // From then on nothing is lost any more.
    scene.get("/log?records=100&threads=1&wait=1");
    scene.told.wait_until("the newest records", |state| {
        let numbers = state.numbers.get(&(1, 0))?;
        numbers.ends_with(&[98, 99, 100]).then_some(())
    });
}

fn who_waits_for_the_log_loses_nothing_and_goes_on_serving(kind: Kind) {
    unless_spoilt(|| wait_for_the_log(kind));
}

/// Once the log has been kept from moving for about a second it is not waited for, and that was not meant then.
const LONGEST_GAP: Duration = Duration::from_millis(400);

/// An error when this machine kept the log from moving.
fn wait_for_the_log(kind: Kind) -> Result<(), String> {
    let scene = Scene::of(kind, "", |builder| {
        builder.workers(2).log_when_full(WhenFull::Block)
    });
    scene.told.be_stuck(true);
    let acks = scene.file("acks").display().to_string();
    let path = format!("/log?records={TOO_MANY}&bytes=100&threads=2&acks={acks}");
    let mut gaps = Gaps::begin();
    let waiting = scene.get(&path).worker();
    // Control goes on while the log moves by fits and starts: they serve.
    for _ in 0..20 {
        assert_eq!(scene.get("/").body, "Hello, World!");
        let before = scene.told.lock().received(waiting);
        scene.told.be_stuck(false);
        scene.told.wait_until("more records", |state| {
            let received = state.received(waiting);
            (received > before || received == 2 * TOO_MANY).then_some(())
        });
        scene.told.be_stuck(true);
        gaps.step();
    }
    let handed_over: u64 = scene.acks("acks", 2).iter().sum();
    scene.told.be_stuck(false);
    gaps.step();
    scene.told.wait_until("all records", |state| {
        let lost = state.lost.get(&waiting).copied().unwrap_or(0);
        (state.received(waiting) + lost == 2 * TOO_MANY).then_some(())
    });
    let state = scene.told.lock();
    let is_all_right = state.lost.is_empty() && handed_over < 2 * TOO_MANY;
    if !is_all_right && gaps.longest() > LONGEST_GAP {
        let gap = gaps.longest();
        return Err(format!("{handed_over}, {:?} lost, {gap:?}", state.lost));
    }
    assert!(handed_over < 2 * TOO_MANY);
    state.check_gapless();
    Ok(())
}

#[test]
fn a_log_that_stands_still_holds_a_worker_up_for_a_moment_and_kills_nobody() {
    let scene = Scene::new("", |builder| {
        let builder = builder.log_when_full(WhenFull::Block);
        // Longer than it takes to make all records on a busy machine.
        builder.hang_timeout(Duration::from_secs(20))
    });
    scene.told.be_stuck(true);
    // The runtime's only thread waits, so that nothing else is answered meanwhile.
    let path = format!("/log?records={TOO_MANY}&bytes=100&here=1");
    assert_eq!(scene.get(&path).body, "logged");
    assert_eq!(scene.get("/").worker(), 1);
    scene.told.be_stuck(false);
    scene.told.wait_until("all records", |state| {
        let lost = state.lost.get(&1).copied().unwrap_or(0);
        (state.received(1) + lost == TOO_MANY).then_some(())
    });
    let told = scene.stop();
    let state = told.lock();
    assert!(state.lost[&1] > 0 && state.pids.len() == 1);
    state.check_order();
}

#[test]
fn a_worker_that_waits_for_the_log_can_be_ended() {
    let scene = Scene::new("", |builder| builder.log_when_full(WhenFull::Block));
    scene.told.be_stuck(true);
    scene.get("/log?bytes=100&threads=2");
    scene.handle.restart();
    scene.told.wait_for("rollout to generation 2 finished");
    scene.told.wait_for("worker 1 (slot 0) ended: exited");
    let told = scene.stop();
    told.lock().check_order();
}
