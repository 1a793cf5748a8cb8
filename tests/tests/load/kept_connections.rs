//! Clients of `everport::http` that keep their connections, and retry nothing.

use std::time::Duration;

use everport_load::{Load, Report, RunningLoad};
use everport_tests::{Cluster, Kind, PATIENCE, take_turn};

use crate::go_on;

/// Shorter than the idle minimum of a rollout, which is 5 s.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);
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
        .duration(PATIENCE * 2)
}

/// Few and many clients with pauses, and some that are busy, each with the requests a second that it would be odd
/// not to reach: half of those that are to be expected.
fn crowd(cluster: &Cluster) -> Vec<(RunningLoad, f64)> {
    let pausing = PAUSING.map(|clients| {
        let load = kept(cluster, clients).pause_up_to(LONGEST_PAUSE);
        (load, f64::from(clients) / LONGEST_PAUSE.as_secs_f64())
    });
    let busy = (kept(cluster, 32).rate(BUSY), f64::from(BUSY) / 2.0);
    let loads = pausing.into_iter().chain([busy]);
    loads
        .map(|(load, least)| (load.start().expect("the load starts"), least))
        .collect()
}

fn assert_as_many_as_expected(report: &Report, least: f64) {
    let expected = least * report.elapsed.as_secs_f64();
    assert!(
        u32::try_from(report.ok).is_ok_and(|ok| f64::from(ok) >= expected),
        "fewer than {expected} answers: {report}"
    );
}

fn restarts_lose_no_request(kind: Kind, share: &str, restarts: usize) {
    let _turn = take_turn();
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
    for (load, least) in loads {
        let report = load.stop();
        report.assert_lossless();
        assert_as_many_as_expected(&report, least);
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
