//! Clients of `everport::http` that keep their connections, and retry nothing.

use std::time::Duration;

use everport_load::{Load, RunningLoad};
use everport_tests::{Cluster, Kind, PATIENCE, share_turn};

use crate::go_on;

/// Shorter than the idle minimum of a rollout, which is 5 s, even when a busy machine wakes a client late.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// How many requests a second the busy clients send together.
const BUSY: u32 = 2000;
/// How many clients pause, in loads of their own.
const PAUSING: [u32; 3] = [1, 32, 500];

fn kept(cluster: &Cluster, clients: u32) -> Load {
    Load::new(cluster.address())
        .clients(clients as usize)
        .keep_alive()
        .expect_body("Hello, World!")
        .timeout(Duration::from_secs(20))
        .duration(PATIENCE * 10)
}

/// Few and many clients with pauses, and some that are busy, each with the requests that show something of a restart: one
/// of each client that pauses, and what the busy ones send in a second.
fn crowd(cluster: &Cluster) -> Vec<(RunningLoad, u64)> {
    let pausing = PAUSING.map(|clients| {
        let load = kept(cluster, clients).pause_up_to(LONGEST_PAUSE);
        (load, u64::from(clients))
    });
    let busy = (kept(cluster, 32).rate(BUSY), u64::from(BUSY));
    let loads = pausing.into_iter().chain([busy]);
    loads
        .map(|(load, shown)| (load.start().expect("the load starts"), shown))
        .collect()
}

fn restarts_lose_no_request(kind: Kind, share: &str, restarts: usize) {
    let _turn = share_turn();
    let options = format!("-w 4 --settle 0 --share {share}");
    let cluster = kind.ready(&options, "--http --listen 127.0.0.1:0");
    let loads = crowd(&cluster);
    let all_go_on = || loads.iter().for_each(|(load, _)| go_on(load, 1));
    all_go_on();
    for _ in 0..restarts {
        cluster.restart();
    }
    // Every worker that was replaced has ended, and so has every connection to it.
    cluster.log().wait_for_many(4 * restarts, "has drained");
    all_go_on();
    for (load, shown) in loads {
        // A restart takes longer than this many requests do.
        let enough = shown * restarts as u64;
        load.wait_for_completed(enough, PATIENCE)
            .expect("the clients get on");
        load.stop().assert_lossless();
    }
    assert!(cluster.log().matching("timed out").is_empty());
}

#[test]
fn rolling_restarts_lose_no_request_on_a_kept_connection_by_reuseport() {
    restarts_lose_no_request(Kind::Processes, "reuseport", 3);
}

#[test]
fn rolling_restarts_of_threads_lose_no_request_on_a_kept_connection() {
    restarts_lose_no_request(Kind::Threads, "reuseport", 1);
}

#[test]
fn rolling_restarts_lose_no_request_on_a_kept_connection_by_transfer() {
    restarts_lose_no_request(Kind::Processes, "transfer", 2);
}

#[test]
fn rolling_restarts_lose_no_request_on_a_kept_connection_by_dispatch() {
    restarts_lose_no_request(Kind::Processes, "dispatch", 2);
}
