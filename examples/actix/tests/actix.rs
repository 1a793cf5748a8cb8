//! The example loses nothing when workers are replaced, on connections that are kept, too.

use std::net::SocketAddr;

use everport_tests::{
    Exit, get, kill_a_worker, replace_under_load, standalone, take_turn, two_workers_of,
};

const ACTIX: &str = env!("CARGO_BIN_EXE_actix");

fn check_answer(address: SocketAddr) {
    let answer = get(address, "/");
    assert!(answer.head.starts_with("HTTP/1.1 200 OK"), "{answer:?}");
    assert_eq!(answer.body, "Hello, World!");
}

#[test]
fn a_rolling_restart_loses_no_request() {
    let _turn = take_turn();
    let cluster = two_workers_of(ACTIX);
    check_answer(cluster.address());
    replace_under_load(&cluster);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_worker_that_is_killed_is_replaced() {
    let cluster = two_workers_of(ACTIX);
    kill_a_worker(&cluster, || check_answer(cluster.address()));
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn it_serves_standalone() {
    let (server, address) = standalone(ACTIX);
    check_answer(address);
    assert_eq!(server.stop(), Exit::Code(0));
}
