//! What was handed over is told, whatever becomes of the worker.

use std::collections::BTreeSet;

use everport::log::WhenFull;
use everport_tests::{Kind, for_each_kind};
use rustix::process::{Pid, Signal, kill_process};

use super::scene::Scene;

for_each_kind!(what_is_logged_last_before_a_drain_ends_is_told,);

const THREADS: u64 = 2;

#[test]
fn every_record_that_was_handed_over_survives_a_kill() {
    let scene = Scene::new("", |builder| builder.log_when_full(WhenFull::Block));
    for worker in 1..=5 {
        scene
            .told
            .wait_for(&format!("worker {worker} (slot 0) is ready"));
        let name = format!("acks-{worker}");
        let acks = scene.file(&name).display().to_string();
        // Without pauses and without end, so that it is killed in the midst of it.
        let answer = scene.get(&format!("/log?threads={THREADS}&acks={acks}"));
        assert_eq!((answer.worker(), answer.body.as_str()), (worker, "logging"));
        let pid = scene.told.wait_until("some records", |state| {
            let is_enough = state.received(worker) > 5000;
            is_enough.then(|| state.pids[&worker])
        });
        kill(pid);
        let died = format!("worker {worker} (slot 0) died: killed by SIGKILL");
        scene.told.wait_for(&died);
        // By the time its death is told, all of its records are.
        let state = scene.told.lock();
        for (thread, handed_over) in (0..).zip(scene.acks(&name, THREADS)) {
            let told = state.numbers[&(worker, thread)].len() as u64;
            assert!(
                told == handed_over || told == handed_over + 1,
                "worker {worker}, thread {thread}: {told} told, {handed_over} handed over"
            );
        }
        state.check_gapless();
    }
}

fn kill(pid: u32) {
    let pid = Pid::from_raw(pid.cast_signed()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn every_end_of_a_worker_leaves_all_of_its_records() {
    let scene = Scene::new("", |builder| builder.log_when_full(WhenFull::Block));
    let ends = ["abort", "exit", "kill"];
    for (worker, end) in (1..).zip(ends) {
        scene
            .told
            .wait_for(&format!("worker {worker} (slot 0) is ready"));
        scene.get(&format!("/log?threads={THREADS}&records=10000&then={end}"));
        scene
            .told
            .wait_for(&format!("worker {worker} (slot 0) died"));
        let state = scene.told.lock();
        assert_eq!(state.received(worker), THREADS * 10000, "{end}");
        state.check_gapless();
    }
}

fn what_is_logged_last_before_a_drain_ends_is_told(kind: Kind) {
    let scene = Scene::of(kind, "", |builder| builder);
    scene.get("/log?records=1000&wait=1");
    let told = scene.stop();
    assert_eq!(told.lock().received(1), 1000);
}

#[test]
fn the_order_of_each_thread_is_kept_under_restarts_and_kills() {
    let scene = Scene::new("--chatty", |builder| {
        builder.workers(2).log_when_full(WhenFull::Block)
    });
    for generation in 2..=4 {
        scene.handle.restart();
        scene
            .told
            .wait_for(&format!("rollout to generation {generation} finished"));
        newest_that_has_logged(&scene);
    }
    let (worker, pid) = newest_that_has_logged(&scene);
    kill(pid);
    scene
        .told
        .wait_for(&format!("worker {worker} (slot 1) died"));
    let told = scene.stop();
    let state = told.lock();
    let workers: BTreeSet<u64> = state.numbers.keys().map(|(worker, _)| *worker).collect();
    assert!(workers.len() >= 3, "{workers:?}");
    state.check_gapless();
}

/// The newest worker once it has logged, and its process.
fn newest_that_has_logged(scene: &Scene) -> (u64, u32) {
    scene.told.wait_until("records of the newest", |state| {
        let newest = *state.pids.keys().max()?;
        (state.received(newest) > 100).then(|| (newest, state.pids[&newest]))
    })
}
