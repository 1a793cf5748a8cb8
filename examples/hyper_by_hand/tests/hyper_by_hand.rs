//! The example's own accept loop loses nothing when workers are replaced, and goes on when they are killed.

use std::net::SocketAddr;

use everport_tests::{
    Exit, get, kill_a_worker, replace_under_load, standalone, take_turn, two_workers_of,
};

const HYPER_BY_HAND: &str = env!("CARGO_BIN_EXE_hyper_by_hand");

fn check_answer(address: SocketAddr) {
    let answer = get(address, "/some/path");
    assert!(answer.head.starts_with("HTTP/1.1 200 OK"), "{answer:?}");
    let (client, path) = answer.body.split_once(" asks for ").expect("an answer");
    let client: SocketAddr = client.parse().expect("the client's address");
    assert_eq!((client.ip(), path), (address.ip(), "/some/path\n"));
}

#[test]
fn a_rolling_restart_loses_no_request() {
    let _turn = take_turn();
    let cluster = two_workers_of(HYPER_BY_HAND);
    check_answer(cluster.address());
    replace_under_load(&cluster);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_worker_that_is_killed_is_replaced() {
    let cluster = two_workers_of(HYPER_BY_HAND);
    kill_a_worker(&cluster, || check_answer(cluster.address()));
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn it_serves_standalone() {
    let (server, address) = standalone(HYPER_BY_HAND);
    check_answer(address);
    assert_eq!(server.stop(), Exit::Code(0));
}
