//! Many workers, many restarts: nothing is left behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::time::Instant;

use everport_tests::{
    Cluster, Exit, PATIENCE, open_descriptors, resident_kib, take_turn, threads, zombies_of,
};
use rustix::process::Signal;

#[test]
fn two_hundred_workers_start_restart_and_stop_without_a_zombie() {
    let _turn = take_turn();
    let ports = "--listen 127.0.0.1:0 --listen 127.0.0.1:0";
    let cluster = Cluster::ready("-w 200 --settle 0 --surge 20", ports);
    assert_eq!(cluster.workers().len(), 200);
    cluster.restart();
    cluster.log().wait_for_many(200, "ended: exited");
    assert_eq!(zombies_of(cluster.pid()), 0);
    assert_eq!(cluster.workers().len(), 200);
    let log = cluster.log().clone();
    assert_eq!(cluster.stop(), Exit::Code(0));
    assert_eq!(log.matching("broke the link's protocol"), [""; 0]);
}

#[test]
fn descriptors_and_threads_of_the_watcher_are_flat_over_three_hundred_restarts() {
    let _turn = take_turn();
    let cluster = Cluster::inspectable("-w 2 --settle 0", "--listen 127.0.0.1:0");
    let restart = |times: usize| {
        let ended = cluster.log().matching("ended: exited").len();
        for _ in 0..times {
            cluster.restart();
        }
        cluster
            .log()
            .wait_for_many(ended + 2 * times, "ended: exited");
    };
    restart(10);
    let before = held(&cluster);
    restart(300);
    assert_holds_no_more(&cluster, before);
    assert_eq!(zombies_of(cluster.pid()), 0);
}

/// Kills every worker and restarts all of their successors, which forgives the slots: no death waits for a back-off.
fn kill_and_restart(cluster: &Cluster) {
    let ready = cluster.log().matching("is ready after").len();
    let ended = cluster.log().matching("ended: exited").len();
    let victims = cluster.workers();
    for victim in &victims {
        victim.signal(Signal::KILL);
    }
    let count = victims.len();
    cluster.log().wait_for_many(ready + count, "is ready after");
    cluster.restart();
    cluster.log().wait_for_many(ended + count, "ended: exited");
}

/// What the watcher holds: descriptors and threads. What a dead worker had takes a moment to be given back.
fn held(cluster: &Cluster) -> (usize, usize) {
    (open_descriptors(cluster.pid()), threads(cluster.pid()))
}

/// The watcher comes back to what it held before, or less: one of those that had just ended may have counted then.
fn assert_holds_no_more(cluster: &Cluster, before: (usize, usize)) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = held(cluster);
        if now.0 <= before.0 && now.1 <= before.1 {
            return;
        }
        let report = format!("descriptors, threads: {before:?} before, {now:?} after");
        assert!(Instant::now() < deadline, "{report}");
        std::thread::yield_now();
    }
}

#[test]
fn descriptors_threads_and_memory_of_the_watcher_are_flat_over_fifty_rounds_of_kills() {
    let _turn = take_turn();
    for share in ["reuseport", "transfer", "dispatch"] {
        let options = format!("-w 2 --settle 0 --share {share}");
        let cluster = Cluster::inspectable(&options, "--listen 127.0.0.1:0");
        for _ in 0..10 {
            kill_and_restart(&cluster);
        }
        let before = (held(&cluster), resident_kib(cluster.pid()));
        for _ in 0..50 {
            kill_and_restart(&cluster);
        }
        assert_holds_no_more(&cluster, before.0);
        let after = resident_kib(cluster.pid());
        println!("{share}, KiB: {} before, {after} after", before.1);
        assert_eq!(zombies_of(cluster.pid()), 0);
        assert!(
            after <= before.1 + GROWTH_KIB,
            "{share}, KiB: {} before, {after} after",
            before.1
        );
    }
}

/// What leaks 5 KiB for each of the two hundred workers is above it.
const GROWTH_KIB: u64 = 1024;

#[test]
fn fifty_deaths_at_once_are_all_noticed() {
    let _turn = take_turn();
    let cluster = Cluster::ready("-w 50", "--listen 127.0.0.1:0");
    for worker in cluster.workers() {
        worker.signal(Signal::KILL);
    }
    cluster.log().wait_for_many(50, "died: killed by SIGKILL");
    cluster.log().wait_for_many(100, "is ready after");
    assert_eq!(zombies_of(cluster.pid()), 0);
}
