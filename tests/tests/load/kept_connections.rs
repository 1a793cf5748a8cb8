//! Clients of `everport::http` that keep their connections, and retry nothing.

use std::time::Duration;

use everport_load::{Load, RunningLoad};
use everport_tests::{Cluster, PATIENCE, take_turn};

use crate::go_on;

/// Shorter than the idle minimum of a rollout, which is 5 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

fn kept(cluster: &Cluster, clients: usize) -> Load {
    Load::new(cluster.address())
        .clients(clients)
        .keep_alive()
        .expect_body("Hello, World!")
        .timeout(Duration::from_secs(20))
        .duration(PATIENCE * 2)
}

/// Few and many clients with pauses, and some that send 2,000 requests a second.
fn crowd(cluster: &Cluster) -> Vec<RunningLoad> {
    let pausing = [1, 32, 500].map(|clients| kept(cluster, clients).pause_up_to(LONGEST_PAUSE));
    let busy = kept(cluster, 32).rate(2000);
    let loads = pausing.into_iter().chain([busy]);
    loads
        .map(|load| load.start().expect("the load starts"))
        .collect()
}

fn restarts_lose_no_request(share: &str, restarts: usize) {
    let _turn = take_turn();
    let options = format!("-w 4 --settle 0 --share {share}");
    let cluster = Cluster::ready(&options, "--http --listen 127.0.0.1:0");
    let loads = crowd(&cluster);
    loads.iter().for_each(|load| go_on(load, 1));
    for _ in 0..restarts {
        cluster.restart();
    }
    // Every worker that was replaced has ended, and so has every connection to it.
    cluster.log().wait_for_many(4 * restarts, "has drained: ");
    loads.iter().for_each(|load| go_on(load, 1));
    for load in loads {
        load.stop().assert_lossless();
    }
    assert!(cluster.log().matching("timed out").is_empty());
}

#[test]
fn rolling_restarts_lose_no_request_on_a_kept_connection_by_reuseport() {
    restarts_lose_no_request("reuseport", 3);
}

#[test]
fn rolling_restarts_lose_no_request_on_a_kept_connection_by_transfer() {
    restarts_lose_no_request("transfer", 2);
}
