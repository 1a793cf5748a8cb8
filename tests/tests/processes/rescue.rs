//! Connections that wait at a worker that will never accept them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use everport_tests::{Cluster, Exit, PATIENCE, WorkerSeen};
use rustix::process::Signal;

/// Enough for some to wait at each of a few workers: the probability that one of two is missed is 2⁻³⁹.
const CLIENTS: usize = 40;

/// Connects and asks, without waiting for the answer.
fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    connection
}

/// Asks as many times as there are clients and returns the connections.
fn ask_many(address: SocketAddr) -> Vec<TcpStream> {
    (0..CLIENTS).map(|_| ask(address, "/")).collect()
}

/// Reads every answer; `lost` of them may be missing.
fn check_answered(connections: Vec<TcpStream>, lost: usize) {
    let answers: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let mut answer = String::new();
            connection.read_to_string(&mut answer).map(|_| answer)
        })
        .collect();
    let is_whole = |answer: &&std::io::Result<String>| {
        answer
            .as_ref()
            .is_ok_and(|answer| answer.ends_with("Hello, World!"))
    };
    let whole = answers.iter().filter(is_whole).count();
    assert!(whole + lost >= CLIENTS, "{whole} of {CLIENTS}: {answers:?}");
}

/// A worker whose runtime is busy for ever, so that connections queue up at it.
fn block_one(cluster: &Cluster) -> (WorkerSeen, TcpStream) {
    block_for(cluster, 3_600_000)
}

fn block_for(cluster: &Cluster, milliseconds: u32) -> (WorkerSeen, TcpStream) {
    let position = cluster.log().position();
    let request = ask(cluster.address(), &format!("/block?ms={milliseconds}"));
    let line = cluster.log().wait_after(position, "block begins");
    let tag = line.split_whitespace().nth(2).unwrap().to_owned();
    let is_it = |seen: &WorkerSeen| format!("{}.{}", seen.slot, seen.worker) == tag;
    (cluster.workers().into_iter().find(is_it).unwrap(), request)
}

#[test]
fn what_waits_at_a_killed_worker_is_served_by_others() {
    // By `transfer` a worker that is ready to accept has one connection taken for it before it runs.
    for (share, lost) in [("reuseport", 0), ("transfer", 1)] {
        for workers in [1, 2] {
            let options = format!("-w {workers} --share {share}");
            let cluster = Cluster::ready(&options, "--listen 127.0.0.1:0");
            let (victim, _served) = block_one(&cluster);
            let waiting = ask_many(cluster.address());
            victim.signal(Signal::KILL);
            check_answered(waiting, lost);
        }
    }
}

#[test]
fn what_waits_at_a_stopped_worker_is_served_by_others() {
    for share in ["reuseport", "transfer"] {
        let cluster = Cluster::ready(&format!("-w 2 --share {share}"), "--listen 127.0.0.1:0");
        cluster.workers()[0].signal(Signal::STOP);
        // Asked before the watcher can know.
        check_answered(ask_many(cluster.address()), 0);
    }
}

#[test]
fn what_waits_at_a_worker_that_dies_while_the_cluster_stops_is_served_by_others() {
    let mut cluster = Cluster::ready(
        "-w 2 --share reuseport --shutdown-timeout 20",
        "--listen 127.0.0.1:0",
    );
    let (victim, _served) = block_one(&cluster);
    let waiting = ask_many(cluster.address());
    cluster.signal(Signal::TERM);
    cluster.log().wait_for("stopping: every worker drains");
    victim.signal(Signal::KILL);
    check_answered(waiting, 0);
    assert_eq!(cluster.wait(), Exit::Code(0));
}

#[test]
fn what_waits_at_a_port_that_goes_is_served_when_several_slots_move_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    std::fs::write(&release, "v1 second-port").unwrap();
    let arguments = format!(
        "--listen 127.0.0.1:0 --second-port 127.0.0.2:0 --release {}",
        release.display()
    );
    let options = "-w 2 --surge 2 --settle 0.5 --share reuseport";
    let cluster = Cluster::ready(options, &arguments);
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
    check_answered(waiting, 0);
}
