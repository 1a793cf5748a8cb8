//! Connections that wait at a worker that will never accept them.

use everport_tests::{Cluster, Exit, Kind, WorkerSeen, for_each_kind};
use rustix::process::Signal;

use crate::waiting::{ask_many, block_for, block_one, check_answered};

#[cfg(all(target_os = "linux", not(everport_portable)))]
for_each_kind!(what_waits_at_a_worker_that_hangs_is_served_by_others);
for_each_kind!(what_waits_at_a_port_that_goes_is_served_when_several_slots_move_at_once,);

#[test]
fn what_waits_at_a_killed_worker_is_served_by_others() {
    for share in ["reuseport", "transfer", "dispatch"] {
        for workers in [1, 2] {
            let options = format!("-w {workers} --share {share}");
            let cluster = Cluster::ready(&options, "--listen 127.0.0.1:0");
            let (victim, _served) = block_one(&cluster);
            let waiting = ask_many(cluster.address());
            victim.signal(Signal::KILL);
            check_answered(waiting);
        }
    }
}

#[test]
fn what_waits_at_a_stopped_worker_is_served_by_others() {
    for share in ["reuseport", "transfer", "dispatch"] {
        let cluster = Cluster::ready(&format!("-w 2 --share {share}"), "--listen 127.0.0.1:0");
        cluster.workers()[0].signal(Signal::STOP);
        // Asked before the watcher can know.
        check_answered(ask_many(cluster.address()));
    }
}

#[test]
fn what_waits_at_a_worker_that_dies_while_the_cluster_stops_is_served_by_others() {
    for share in ["reuseport", "dispatch"] {
        let options = format!("-w 2 --share {share} --shutdown-timeout 20");
        let mut cluster = Cluster::ready(&options, "--listen 127.0.0.1:0");
        let (victim, _served) = block_one(&cluster);
        let waiting = ask_many(cluster.address());
        cluster.signal(Signal::TERM);
        cluster.log().wait_for("stopping: every worker drains");
        victim.signal(Signal::KILL);
        check_answered(waiting);
        assert_eq!(cluster.wait(), Exit::Code(0));
    }
}

fn what_waits_at_a_port_that_goes_is_served_when_several_slots_move_at_once(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    std::fs::write(&release, "v1 second-port").unwrap();
    let arguments = format!(
        "--listen 127.0.0.1:0 --second-port 127.0.0.2:0 --release {}",
        release.display()
    );
    let options = "-w 2 --surge 2 --settle 0.5 --share reuseport";
    let cluster = kind.ready(options, &arguments);
    // Both workers are busy for a while, so that what comes to the second port waits.
    let mut busy = Vec::new();
    while !(1..=2).all(|worker| {
        busy.iter()
            .any(|(seen, _): &(WorkerSeen, _)| seen.worker == worker)
    }) {
        busy.push(block_for(&cluster, 3000));
    }
    let second = *cluster
        .addresses(2)
        .iter()
        .find(|address| address.ip().to_string() == "127.0.0.2")
        .unwrap();
    let waiting = ask_many(second);
    std::fs::write(&release, "v2").unwrap();
    cluster.signal(Signal::USR1);
    cluster.log().wait_for(&format!("closed {second}"));
    check_answered(waiting);
}

#[cfg(all(target_os = "linux", not(everport_portable)))]
fn what_waits_at_a_worker_that_hangs_is_served_by_others(kind: Kind) {
    for share in ["reuseport", "transfer", "dispatch"] {
        let cluster = kind.ready(&format!("-w 2 --share {share}"), "--listen 127.0.0.1:0");
        let (hung, _served) = block_one(&cluster);
        check_answered(ask_many(cluster.address()));
        // And what comes when it is known.
        check_answered(ask_many(cluster.address()));
        assert!(
            cluster.workers().contains(&hung),
            "it had to be killed for that"
        );
    }
}

#[test]
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn where_the_kernel_refuses_to_steer_others_serve_what_waits_all_the_same() {
    let arguments = "--listen 127.0.0.1:0 --refuse-steering";
    let cluster = Cluster::ready("-w 3 --share reuseport", arguments);
    for victim in cluster.workers() {
        victim.signal(Signal::STOP);
        check_answered(ask_many(cluster.address()));
        let position = cluster.log().position();
        victim.signal(Signal::CONT);
        cluster.log().wait_after(position, "runs again");
    }
    let (_hung, _served) = block_one(&cluster);
    check_answered(ask_many(cluster.address()));
    let refusals = cluster.log().matching("cannot steer 127.0.0.1:");
    assert_eq!(refusals.len(), 1, "{refusals:?}");
}
