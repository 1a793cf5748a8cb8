//! Rolling restarts, of releases that come up and of some that do not.

use everport_load::FailureKind;
use everport_tests::{Cluster, Kind, for_each_kind, share_turn};
use rustix::process::Signal;

use crate::{CLIENTS, go_on, one_shot_load, timed_out};

for_each_kind!(
    rolling_restarts_lose_nothing_by_reuseport,
    rolling_restarts_lose_nothing_by_transfer,
    rolling_restarts_lose_nothing_by_dispatch,
    rolling_restarts_of_a_single_worker_lose_nothing,
);

const RESTARTS: usize = 4;

fn restarts_lose_nothing(kind: Kind, share: &str, workers: u32) {
    let _turn = share_turn();
    let options = format!("-w {workers} --settle 0.05 --share {share}");
    let cluster = kind.ready(&options, "--listen 127.0.0.1:0");
    let load = one_shot_load(cluster.address());
    go_on(&load, 200);
    for _ in 0..RESTARTS {
        cluster.restart();
        go_on(&load, 100);
    }
    let report = load.stop();
    report.assert_lossless();
    // One of each generation at least: how many of its workers serve so soon is for the machine to say.
    let seen = report.workers.len();
    assert!(
        seen > RESTARTS,
        "only {seen} workers answered over {RESTARTS} restarts:\n{report}"
    );
}

fn rolling_restarts_lose_nothing_by_reuseport(kind: Kind) {
    restarts_lose_nothing(kind, "reuseport", 4);
}

fn rolling_restarts_lose_nothing_by_transfer(kind: Kind) {
    restarts_lose_nothing(kind, "transfer", 4);
}

fn rolling_restarts_lose_nothing_by_dispatch(kind: Kind) {
    restarts_lose_nothing(kind, "dispatch", 4);
}

fn rolling_restarts_of_a_single_worker_lose_nothing(kind: Kind) {
    restarts_lose_nothing(kind, "reuseport", 1);
}

#[test]
fn rolling_restarts_on_a_multi_threaded_runtime_lose_nothing() {
    let _turn = share_turn();
    for share in ["reuseport", "transfer", "dispatch"] {
        let options = format!("-w 2 --settle 0 --share {share}");
        let cluster = Cluster::ready(&options, "--multi-threaded --listen 127.0.0.1:0");
        let load = one_shot_load(cluster.address());
        go_on(&load, 100);
        cluster.restart();
        cluster.restart();
        go_on(&load, 100);
        load.stop().assert_lossless();
    }
}

/// Between a client's request and the server's closing of an idle connection there is a race that plain
/// HTTP/1.1 keep-alive can't win; nothing else may happen to clients that keep their connections. How often it is lost
/// is a matter of how fast the machine is. But each worker that ends closes a client's connection once.
#[test]
fn rolling_restarts_cost_keep_alive_clients_at_most_what_they_send_on_a_closing_connection() {
    const WORKERS: u64 = 4;
    const RESTARTS: u64 = 3;
    let _turn = share_turn();
    for share in ["reuseport", "transfer", "dispatch"] {
        let options = format!("-w {WORKERS} --settle 0.05 --share {share}");
        let cluster = Cluster::ready(&options, "--listen 127.0.0.1:0");
        let load = crate::keep_alive_load(cluster.address());
        go_on(&load, 200);
        for _ in 0..RESTARTS {
            cluster.restart();
            go_on(&load, 200);
        }
        let report = load.stop();
        assert_eq!(
            report.failed(),
            report.failed_with(FailureKind::ResetOnReused),
            "{report}"
        );
        assert!(
            report.failed() <= RESTARTS * WORKERS * CLIENTS,
            "more than one request of each client for each worker that ended:\n{report}"
        );
    }
}

#[test]
fn a_release_that_dies_while_it_settles_is_rolled_back_and_costs_only_what_it_served() {
    let _turn = share_turn();
    let cluster = Cluster::ready("-w 2 --settle 60", "--listen 127.0.0.1:0");
    let load = one_shot_load(cluster.address());
    go_on(&load, 100);
    cluster.signal(Signal::USR1);
    cluster.log().wait_for("worker 3 (slot 0) is ready");
    go_on(&load, 100);
    let workers = cluster.workers();
    let settling = workers.iter().find(|seen| seen.worker == 3).unwrap();
    settling.signal(Signal::ABORT);
    cluster
        .log()
        .wait_for("died after it was ready (killed by SIGABRT); generation 1 stays");
    go_on(&load, 200);
    // Connections that the dying worker had accepted are lost with it: each client has one at most. Nobody is refused,
    // and nobody waits in vain.
    let report = load.stop();
    assert!(report.failed() <= CLIENTS, "{report}");
    assert_eq!(report.failed_with(FailureKind::Refused), 0, "{report}");
    assert_eq!(timed_out(&report), 0, "{report}");
}
