//! Workers that are killed under load.

use everport_load::{FailureKind, Phase, Report};
use everport_tests::{Cluster, take_turn};
use rustix::process::Signal;

use crate::{go_on, one_shot_load};

/// How many requests waited in vain.
fn timed_out(report: &Report) -> u64 {
    let phases = [Phase::Connect, Phase::Answer];
    phases
        .into_iter()
        .map(|phase| report.failed_with(FailureKind::TimedOut(phase)))
        .sum()
}

/// What the clients at most had open: as many connections a killed worker may have been serving.
const CLIENTS: u64 = 16;

fn killing_one_loses_only_what_it_served(share: &str) {
    let _turn = take_turn();
    let cluster = Cluster::ready(&format!("-w 4 --share {share}"), "--listen 127.0.0.1:0");
    let load = one_shot_load(cluster.address());
    const KILLS: u64 = 5;
    for kill in 0..KILLS {
        go_on(&load, 100);
        let victim = cluster.workers()[0];
        let ready = cluster.log().matching("is ready after").len();
        victim.signal(Signal::KILL);
        cluster.log().wait_for(&format!(
            "worker {} (slot {}) died: killed by SIGKILL",
            victim.worker, victim.slot
        ));
        cluster.log().wait_for_many(ready + 1, "is ready after");
        assert_eq!(cluster.workers().len(), 4, "after kill {kill}");
    }
    go_on(&load, 100);
    let report = load.stop();
    // Nobody is refused, and nobody waits in vain: what was queued at the dead is served by others.
    assert_eq!(report.failed_with(FailureKind::Refused), 0, "{report}");
    assert_eq!(timed_out(&report), 0, "{report}");
    assert!(
        report.failed() <= KILLS * CLIENTS / 4,
        "more than the victims were serving:\n{report}"
    );
}

#[test]
fn killing_a_worker_loses_only_what_it_served_by_reuseport() {
    killing_one_loses_only_what_it_served("reuseport");
}

#[test]
fn killing_a_worker_loses_only_what_it_served_by_transfer() {
    killing_one_loses_only_what_it_served("transfer");
}

#[test]
fn killing_all_workers_at_once_refuses_nobody() {
    let _turn = take_turn();
    for share in ["reuseport", "transfer"] {
        let cluster = Cluster::ready(&format!("-w 4 --share {share}"), "--listen 127.0.0.1:0");
        let load = one_shot_load(cluster.address());
        go_on(&load, 100);
        for victim in cluster.workers() {
            victim.signal(Signal::KILL);
        }
        cluster.log().wait_for_many(8, "is ready after");
        go_on(&load, 200);
        let report = load.stop();
        assert_eq!(report.failed_with(FailureKind::Refused), 0, "{report}");
        assert_eq!(timed_out(&report), 0, "{report}");
        assert!(report.failed() <= CLIENTS, "{report}");
    }
}
