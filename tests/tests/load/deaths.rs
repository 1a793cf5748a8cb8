//! Workers that are killed under load.

use std::time::Instant;

use everport_load::{FailureKind, Report};
use everport_tests::{Cluster, Kind, PATIENCE, WorkerSeen, share_turn, stop_and_count};
use rustix::process::Signal;

use crate::{CLIENTS, go_on, one_shot_load_of, timed_out};

/// Takes long enough for every worker to be serving some at any time.
const PATH: &str = "/slow?ms=20";

/// Kills the victims at once while they are serving somebody, and says how many connections that were.
fn kill(victims: &[WorkerSeen]) -> u64 {
    let send = |signal: Signal| victims.iter().for_each(|victim| victim.signal(signal));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let counts = victims.iter().map(|victim| stop_and_count(*victim));
        let served = counts.map(Result::unwrap).sum();
        if served > 0 {
            send(Signal::KILL);
            return served;
        }
        assert!(Instant::now() < deadline, "nobody is ever served");
        send(Signal::CONT);
        std::thread::yield_now();
    }
}

/// Nobody is refused, and nobody waits in vain: what was queued at the dead is served by others. What fails is no
/// more than they were serving.
fn check(report: &Report, served: u64) {
    println!("{} failed, {served} were being served", report.failed());
    assert_eq!(report.failed_with(FailureKind::Refused), 0, "{report}");
    assert_eq!(timed_out(report), 0, "{report}");
    assert!(
        report.failed() <= served,
        "the victims were serving {served}:\n{report}"
    );
}

fn killing_one_loses_only_what_it_served(share: &str) {
    let _turn = share_turn();
    let cluster = Cluster::ready(&format!("-w 4 --share {share}"), "--listen 127.0.0.1:0");
    let load = one_shot_load_of(cluster.address(), PATH);
    let mut served = 0;
    for number in 0..5 {
        go_on(&load, 100);
        let victim = cluster.workers()[0];
        let ready = cluster.log().matching("is ready after").len();
        served += kill(&[victim]);
        cluster.log().wait_for(&format!(
            "worker {} (slot {}) died: killed by SIGKILL",
            victim.worker, victim.slot
        ));
        cluster.log().wait_for_many(ready + 1, "is ready after");
        assert_eq!(cluster.workers().len(), 4, "after kill {number}");
    }
    go_on(&load, 100);
    check(&load.stop(), served);
}

#[test]
fn killing_a_worker_loses_only_what_it_served_by_reuseport() {
    killing_one_loses_only_what_it_served("reuseport");
}

#[test]
fn killing_a_worker_loses_only_what_it_served_by_transfer() {
    killing_one_loses_only_what_it_served("transfer");
}

/// A panic that unwinds a thread's main function ends what that thread served, and nothing else in its process.
#[test]
fn threads_that_panic_lose_only_what_they_served() {
    const DEATHS: u64 = 3;
    let _turn = share_turn();
    for share in ["reuseport", "transfer", "dispatch"] {
        let options = format!("-w 4 --share {share}");
        let cluster = Kind::Threads.ready(&options, "--listen 127.0.0.1:0");
        let load = one_shot_load_of(cluster.address(), PATH);
        for _ in 0..DEATHS {
            go_on(&load, 100);
            let ready = cluster.log().matching("is ready after").len();
            cluster.crash(cluster.workers()[0]);
            cluster.log().wait_for_many(ready + 1, "is ready after");
        }
        go_on(&load, 100);
        // Each client has one request at most with a worker that dies.
        check(&load.stop(), DEATHS * CLIENTS);
    }
}

#[test]
fn killing_a_worker_loses_only_what_it_served_by_dispatch() {
    killing_one_loses_only_what_it_served("dispatch");
}

#[test]
fn killing_all_workers_at_once_refuses_nobody() {
    let _turn = share_turn();
    for share in ["reuseport", "transfer", "dispatch"] {
        let cluster = Cluster::ready(&format!("-w 4 --share {share}"), "--listen 127.0.0.1:0");
        let load = one_shot_load_of(cluster.address(), PATH);
        go_on(&load, 100);
        let served = kill(&cluster.workers());
        cluster.log().wait_for_many(8, "is ready after");
        go_on(&load, 200);
        check(&load.stop(), served);
    }
}
