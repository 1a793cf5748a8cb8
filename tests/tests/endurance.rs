//! Many workers, many restarts: nothing is left behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use everport_tests::{Cluster, Exit, open_descriptors, take_turn, threads, zombies_of};
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
    let before = (open_descriptors(cluster.pid()), threads(cluster.pid()));
    restart(300);
    let after = (open_descriptors(cluster.pid()), threads(cluster.pid()));
    assert_eq!(before, after, "descriptors, threads");
    assert_eq!(zombies_of(cluster.pid()), 0);
}

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
