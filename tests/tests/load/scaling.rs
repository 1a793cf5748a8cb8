//! Scaling under load.

use std::time::Instant;

use everport_load::RunningLoad;
use everport_tests::{Cluster, Kind, PATIENCE, for_each_kind, get, share_turn};
use rustix::process::Signal;

use crate::{go_on, one_shot_load};

for_each_kind!(
    scaling_down_and_up_loses_nothing_by_reuseport,
    scaling_down_and_up_loses_nothing_by_transfer,
    scaling_down_and_up_loses_nothing_by_dispatch,
);

/// Waits until so many workers have answered.
fn go_on_until(load: &RunningLoad, workers: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        go_on(load, 100);
        let report = load.report_so_far();
        if report.workers.len() >= workers {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "not {workers} workers:\n{report}"
        );
    }
}

fn scaling_loses_nothing(kind: Kind, share: &str) {
    let _turn = share_turn();
    let cluster = kind.ready(&format!("-w 4 --share {share}"), "--listen 127.0.0.1:0");
    let load = one_shot_load(cluster.address());
    go_on_until(&load, 4);
    for step in ["from 4 to 3", "from 3 to 2"] {
        cluster.signal(Signal::TTOU);
        cluster.log().wait_for(&format!("scaled {step}"));
    }
    cluster.log().wait_for_many(2, "has drained");
    go_on(&load, 500);
    assert_eq!(cluster.workers().len(), 2);
    for step in ["from 2 to 3", "from 3 to 4"] {
        cluster.signal(Signal::TTIN);
        cluster.log().wait_for(&format!("scaled {step}"));
    }
    cluster.log().wait_for_many(6, "is ready after");
    // All four and then two new ones have served.
    go_on_until(&load, 6);
    let report = load.stop();
    report.assert_lossless();
    assert_eq!(report.workers.len(), 6, "{report}");
    assert!(get(cluster.address(), "/").worker() > 0);
}

fn scaling_down_and_up_loses_nothing_by_reuseport(kind: Kind) {
    scaling_loses_nothing(kind, "reuseport");
}

fn scaling_down_and_up_loses_nothing_by_transfer(kind: Kind) {
    scaling_loses_nothing(kind, "transfer");
}

fn scaling_down_and_up_loses_nothing_by_dispatch(kind: Kind) {
    scaling_loses_nothing(kind, "dispatch");
}

#[test]
fn scaling_during_a_restart_loses_nothing_and_ends_with_the_new_release_everywhere() {
    let _turn = share_turn();
    for (signal, step, slots) in [
        (Signal::TTIN, "scaled from 3 to 4", 4),
        (Signal::TTOU, "scaled from 3 to 2", 2),
    ] {
        let cluster = Cluster::ready("-w 3 --settle 0.3", "--listen 127.0.0.1:0");
        let load = one_shot_load(cluster.address());
        go_on(&load, 100);
        cluster.signal(Signal::USR1);
        cluster
            .log()
            .wait_for("rollout from generation 1 to generation 2 started");
        cluster.signal(signal);
        cluster.log().wait_for(step);
        cluster.log().wait_for("rollout to generation 2 finished");
        cluster.log().wait_for_many(3, "ended: exited");
        go_on(&load, 300);
        load.stop().assert_lossless();
        let workers = cluster.workers();
        assert_eq!(workers.len(), slots, "{workers:?}");
        assert!(workers.iter().all(|worker| worker.generation == 2));
    }
}
