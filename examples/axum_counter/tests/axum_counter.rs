//! The example counts every visit, whichever worker it comes to and however often workers are replaced.

use std::net::SocketAddr;

use everport_tests::{
    Cluster, Exit, get, kill_a_worker, replace_under_load, standalone, take_turn, two_workers_of,
};

const AXUM_COUNTER: &str = env!("CARGO_BIN_EXE_axum_counter");

fn check_answer(address: SocketAddr) {
    let answer = get(address, "/");
    assert!(answer.head.starts_with("HTTP/1.1 200 OK"), "{answer:?}");
    let (client, visit) = answer.body.split_once(" makes visit ").expect("a visit");
    let client: SocketAddr = client.parse().expect("the client's address");
    assert_eq!(client.ip(), address.ip());
    assert!(visit.trim_end().parse().is_ok_and(|visit: u64| visit > 0));
}

/// The sum of what workers have counted until their ends.
fn counted(cluster: &Cluster) -> u64 {
    let goodbyes = cluster.log().matching(" visits");
    let counts = goodbyes.iter().map(|line| {
        let words = line.split(' ').rev().nth(1);
        words
            .and_then(|count| count.parse::<u64>().ok())
            .expect("a count")
    });
    counts.sum()
}

#[test]
fn a_rolling_restart_loses_no_visit() {
    let _turn = take_turn();
    let mut cluster = two_workers_of(AXUM_COUNTER);
    check_answer(cluster.address());
    let answers = replace_under_load(&cluster);
    cluster.signal(rustix::process::Signal::TERM);
    assert_eq!(cluster.wait(), Exit::Code(0));
    assert_eq!(counted(&cluster), answers + 1);
}

#[test]
fn a_worker_that_is_killed_is_replaced() {
    let cluster = two_workers_of(AXUM_COUNTER);
    kill_a_worker(&cluster, || check_answer(cluster.address()));
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn it_serves_standalone() {
    let (server, address) = standalone(AXUM_COUNTER);
    check_answer(address);
    assert_eq!(server.stop(), Exit::Code(0));
}
