//! Workers that die, loop, hang or never come up, and the ends a cluster can have.

use std::fs;

use everport_tests::{
    Cluster, Exit, Kind, PATIENCE, check_share, for_each_kind, get, is_alive, unless_spoilt,
};
use rustix::process::Signal;

for_each_kind!(
    a_graceful_stop_lets_requests_finish_and_exits_with_zero,
    an_interrupt_stops_gracefully_too,
    a_second_term_forces,
    quit_kills_at_once,
    a_worker_that_ignores_its_drain_is_killed_at_the_deadline,
    hooks_run_to_their_end_at_the_deadline_and_what_was_cut_is_told,
    a_cluster_of_which_no_worker_is_ever_ready_gives_up,
    a_crash_loop_backs_off_instead_of_spinning_and_heals_by_itself,
    a_crash_loop_ends_the_cluster_if_that_is_asked_for,
    workers_are_scaled_by_signals,
    a_restart_during_a_restart_leads_to_exactly_one_more,
    a_stop_during_a_restart_wins,
);

fn a_graceful_stop_lets_requests_finish_and_exits_with_zero(kind: Kind) {
    let cluster = kind.ready("-w 2", "--listen 127.0.0.1:0");
    let address = cluster.address();
    let slow = std::thread::spawn(move || get(address, "/slow?ms=500"));
    cluster.log().wait_for("slow begins");
    assert_eq!(cluster.stop(), Exit::Code(0));
    assert_eq!(slow.join().unwrap().body, "Hello, World!");
}

fn an_interrupt_stops_gracefully_too(kind: Kind) {
    let mut cluster = kind.ready("-w 1", "--listen 127.0.0.1:0");
    cluster.signal(Signal::INT);
    assert_eq!(cluster.wait(), Exit::Code(0));
    cluster.log().wait_for("worker 1 (slot 0) has drained");
}

fn a_second_term_forces(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1 ignores-drain").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let mut cluster = kind.ready("-w 2", &arguments);
    cluster.signal(Signal::TERM);
    cluster.log().wait_for("stopping: every worker drains");
    // Right after the first one it still counts as the same request, so it is said until it is heard.
    while cluster.log().matching("forced stop").is_empty() {
        cluster.signal(Signal::TERM);
        std::thread::yield_now();
    }
    assert_eq!(cluster.wait(), Exit::Code(8));
    assert_eq!(cluster.workers(), []);
}

fn quit_kills_at_once(kind: Kind) {
    let mut cluster = kind.ready("-w 2", "--listen 127.0.0.1:0");
    cluster.signal(Signal::QUIT);
    assert_eq!(cluster.wait(), Exit::Code(8));
    assert_eq!(cluster.log().matching("has drained"), [""; 0]);
}

fn a_worker_that_ignores_its_drain_is_killed_at_the_deadline(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1 ignores-drain").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let cluster = kind.ready("-w 1 --shutdown-timeout 0.5", &arguments);
    let log = cluster.log().clone();
    assert_eq!(cluster.stop(), Exit::Code(0));
    log.wait_for("has not drained within 500 ms and is killed");
}

fn hooks_run_to_their_end_at_the_deadline_and_what_was_cut_is_told(kind: Kind) {
    unless_spoilt(|| run_hooks_at_the_deadline(kind));
}

/// An error when the worker stood still for the second that it has for its hooks.
fn run_hooks_at_the_deadline(kind: Kind) -> Result<(), String> {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1 slow-hook").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let mut cluster = kind.ready("-w 1 --shutdown-timeout 2", &arguments);
    let mut request = std::net::TcpStream::connect(cluster.address()).unwrap();
    std::io::Write::write_all(
        &mut request,
        b"GET /slow?ms=3600000 HTTP/1.1\r\nHost: x\r\n\r\n",
    )
    .unwrap();
    cluster.log().wait_for("slow begins");
    cluster.signal(Signal::TERM);
    assert_eq!(cluster.wait(), Exit::Code(0));
    let told = [
        "hook begins",
        "hook ends",
        "worker 1 (slot 0) timed out draining: 1 connection cut",
    ];
    let is_told = |text: &&str| !cluster.log().matching(text).is_empty();
    match told.iter().all(is_told) {
        true => Ok(()),
        false => Err(cluster.log().lines().join("\n")),
    }
}

fn a_cluster_of_which_no_worker_is_ever_ready_gives_up(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1 crashes-at-boot").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let mut cluster = kind.start("-w 2", &arguments);
    assert_eq!(cluster.wait(), Exit::Code(3));
    // It gives up at the fifth of the slower one; the other may have made more by then.
    assert_eq!(attempts_of_the_slower(&cluster), 5);
    // The cause is in the log, with the worker's own words.
    let told = match kind {
        Kind::Processes => ["died: exited with code 3", "| release v1 is broken"],
        Kind::Threads => ["died: failed: ", "release v1 is broken"],
    };
    told.iter()
        .for_each(|text| drop(cluster.log().wait_for(text)));
}

/// How many attempts the one of two slots has made that has made fewer.
fn attempts_of_the_slower(cluster: &Cluster) -> usize {
    let attempts = |slot: u32| {
        cluster
            .log()
            .matching(&format!("(slot {slot}) started: "))
            .len()
    };
    attempts(0).min(attempts(1))
}

fn a_crash_loop_backs_off_instead_of_spinning_and_heals_by_itself(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let cluster = kind.ready("-w 1", &arguments);
    fs::write(&release, "v1 crashes-at-boot").unwrap();
    cluster.crash(cluster.workers()[0]);
    // Deaths 1 to 6 are followed by waits of 0, 100, 200, 400, 800 ms nominally: the sixth is the one too
    // many for the budget, and nobody gets there without having waited.
    cluster.log().wait_for("slot 0 is crash-looping");
    let lines = cluster.log().lines();
    let until_then = lines
        .iter()
        .take_while(|line| !line.contains("is crash-looping"));
    let starts = until_then
        .filter(|line| line.contains(" started: "))
        .count();
    assert!(starts <= 7, "{starts} starts");
    fs::write(&release, "v1").unwrap();
    cluster.log().wait_for_many(2, "is ready after");
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
}

fn a_crash_loop_ends_the_cluster_if_that_is_asked_for(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let mut cluster = kind.ready("-w 1 --exit-on-crash-loop", &arguments);
    fs::write(&release, "v1 crashes-at-boot").unwrap();
    cluster.crash(cluster.workers()[0]);
    assert_eq!(cluster.wait(), Exit::Code(4));
}

#[test]
fn no_orphan_stays_when_the_watcher_is_killed() {
    let mut cluster = Cluster::ready("-w 3 --shutdown-timeout 2", "--listen 127.0.0.1:0");
    let workers = cluster.workers();
    assert_eq!(workers.len(), 3);
    // One of them can't even notice: its runtime hangs in a request for an hour.
    let address = cluster.address();
    std::thread::spawn(move || {
        use std::io::Write;
        let mut connection = std::net::TcpStream::connect(address).unwrap();
        connection
            .write_all(b"GET /block?ms=3600000 HTTP/1.1\r\nHost: x\r\n\r\n")
            .unwrap();
        let mut nothing = [0];
        std::io::Read::read(&mut connection, &mut nothing)
    });
    cluster.signal(Signal::KILL);
    assert_eq!(cluster.wait(), Exit::Signal(9));
    let deadline = std::time::Instant::now() + PATIENCE;
    while let Some(left) = workers.iter().find(|worker| is_alive(worker.pid)) {
        assert!(
            std::time::Instant::now() < deadline,
            "worker {} stays",
            left.worker
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_stopped_worker_is_noticed_and_steered_around() {
    for share in ["reuseport", "transfer", "dispatch"] {
        let cluster = Cluster::ready(&format!("-w 2 --share {share}"), "--listen 127.0.0.1:0");
        let stopped = cluster.workers()[0];
        stopped.signal(Signal::STOP);
        cluster.log().wait_for(&format!(
            "worker {} (slot {}) was stopped by a signal",
            stopped.worker, stopped.slot
        ));
        for _ in 0..20 {
            assert_ne!(get(cluster.address(), "/").worker(), stopped.worker);
        }
        stopped.signal(Signal::CONT);
        cluster.log().wait_for("runs again");
        check_share(cluster.address(), stopped.worker, 2);
    }
}

fn workers_are_scaled_by_signals(kind: Kind) {
    let cluster = kind.ready("-w 1", "--listen 127.0.0.1:0");
    cluster.signal(Signal::TTIN);
    cluster.log().wait_for("scaled from 1 to 2 workers");
    cluster.log().wait_for_many(2, "is ready after");
    cluster.signal(Signal::TTOU);
    cluster.log().wait_for("scaled from 2 to 1 worker");
    cluster
        .log()
        .wait_for(&format!("worker 2 (slot 1) {}", kind.ended()));
    // The last one stays whatever is asked for.
    cluster.signal(Signal::TTOU);
    assert_eq!(get(cluster.address(), "/").worker(), 1);
    assert_eq!(cluster.workers().len(), 1);
}

fn a_restart_during_a_restart_leads_to_exactly_one_more(kind: Kind) {
    let cluster = kind.ready("-w 2 --settle 0.3", "--listen 127.0.0.1:0");
    cluster.signal(Signal::USR1);
    cluster
        .log()
        .wait_for("rollout from generation 1 to generation 2 started");
    cluster.signal(Signal::USR1);
    cluster.log().wait_for("restart asked for during a rollout");
    cluster.signal(Signal::USR1);
    cluster.log().wait_for("rollout to generation 3 finished");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

fn a_stop_during_a_restart_wins(kind: Kind) {
    let mut cluster = kind.ready("-w 2 --settle 60", "--listen 127.0.0.1:0");
    cluster.signal(Signal::USR1);
    cluster
        .log()
        .wait_for("rollout from generation 1 to generation 2 started");
    cluster.signal(Signal::TERM);
    assert_eq!(cluster.wait(), Exit::Code(0));
    assert_eq!(cluster.log().matching("finished in"), [""; 0]);
}
