//! Whoever serves the example's connections: calls are answered however often workers are replaced, and nothing holds up
//! a drain.

mod client;

use std::net::SocketAddr;

use everport_tests::{Exit, kill_a_worker, standalone_with, take_turn, two_workers_with};
use rustix::process::Signal;
use tokio::runtime::Runtime;
use tonic::Status;
use tonic_health::ServingStatus;

use crate::client::{Clients, about, call, connect, is_broken};

const GRPC: &str = env!("CARGO_BIN_EXE_grpc");

fn check_answer(address: SocketAddr) {
    let runtime = Runtime::new().expect("a runtime");
    let answer = runtime.block_on(async {
        let mut client = connect(address)
            .await
            .map_err(|error| Status::from_error(error.into()))?;
        call(&mut client).await
    });
    answer.expect("an answer");
}

/// What calls end with that the server may have accepted, over rolling restarts.
fn lost_in_restarts(arguments: &[&str]) -> Vec<Status> {
    let _turn = take_turn();
    let cluster = two_workers_with(GRPC, arguments);
    let clients = Clients::start(cluster.address());
    clients.go_on(100);
    for _ in 0..3 {
        cluster.restart();
        clients.go_on(100);
    }
    // Nobody is waited for who has been sent away.
    cluster.log().wait_for_many(6, ") ended: exited");
    clients.go_on(100);
    let lost = clients.lost();
    drop(clients);
    assert_eq!(cluster.log().matching("timed out"), Vec::<String>::new());
    assert_eq!(cluster.stop(), Exit::Code(0));
    lost
}

#[test]
fn restarts_lose_no_call_by_everport() {
    let lost = lost_in_restarts(&[]);
    assert!(lost.is_empty(), "lost: {lost:?}");
}

/// A connection that is closed while its client is sending breaks, now and then: then what its four callers have asked
/// is lost. If calls were not finished, all four connections would break again and again.
#[test]
fn restarts_break_hardly_a_connection_by_tonic() {
    let lost = lost_in_restarts(&["by-tonic"]);
    let are_broken = lost.iter().all(is_broken);
    assert!(lost.len() <= 16 && are_broken, "lost: {lost:?}");
}

#[test]
fn a_worker_that_is_killed_is_replaced() {
    for arguments in [&[][..], &["by-tonic"]] {
        let cluster = two_workers_with(GRPC, arguments);
        kill_a_worker(&cluster, || check_answer(cluster.address()));
        assert_eq!(cluster.stop(), Exit::Code(0));
    }
}

#[test]
fn whoever_watches_its_health_is_told_of_the_end_and_does_not_hold_it_up() {
    for arguments in [&[][..], &["by-tonic"]] {
        let mut cluster = two_workers_with(GRPC, arguments);
        let address = cluster.address();
        let runtime = Runtime::new().expect("a runtime");
        let mut watched = runtime.block_on(async {
            let mut client = connect(address).await.expect("a connection");
            client
                .watch(about(""))
                .await
                .expect("a stream")
                .into_inner()
        });
        let mut next = || {
            let told = runtime.block_on(watched.message());
            told.expect("no failure").map(|told| told.status)
        };
        assert_eq!(next(), Some(ServingStatus::Serving as i32));
        cluster.signal(Signal::TERM);
        assert_eq!(next(), Some(ServingStatus::NotServing as i32));
        assert_eq!(next(), None);
        assert_eq!(cluster.wait(), Exit::Code(0));
        assert_eq!(cluster.log().matching("timed out"), Vec::<String>::new());
    }
}

#[test]
fn it_serves_standalone() {
    for arguments in [&[][..], &["by-tonic"]] {
        let (server, address) = standalone_with(GRPC, arguments);
        check_answer(address);
        assert_eq!(server.stop(), Exit::Code(0));
    }
}
