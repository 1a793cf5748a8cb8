//! What clients lose while a cluster is restarted, scaled and shot at: nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[cfg(target_os = "linux")]
mod deaths;
mod deploying;
mod http2;
mod kept_connections;
mod long_requests;
mod releases;
mod rollouts;
mod scaling;
#[cfg(target_os = "linux")]
mod service_restarts;
// What tells of waiting connections without waking on each of them is Linux only.
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod unwell;

use std::net::SocketAddr;
use std::time::Duration;

use everport_load::{FailureKind, Load, Phase, Report, RunningLoad};
use everport_tests::PATIENCE;

/// How many clients a load has, and so the most connections a worker may be serving when it dies.
const CLIENTS: u64 = 16;

/// Clients that make a connection for each request, retry nothing, and want `Hello, World!`.
fn one_shot_load(address: SocketAddr) -> RunningLoad {
    one_shot_load_of(address, "/")
}

/// The same for another path.
fn one_shot_load_of(address: SocketAddr, path: &str) -> RunningLoad {
    Load::new(address)
        .clients(CLIENTS as usize)
        .path(path)
        .one_shot()
        .rate(1000)
        .expect_body("Hello, World!")
        .identify(|answer| answer.header("x-worker").map(str::to_owned))
        .timeout(Duration::from_secs(20))
        .duration(PATIENCE * 10)
        .start()
        .expect("the load starts")
}

/// Clients that send request after request on the same connection.
fn keep_alive_load(address: SocketAddr) -> RunningLoad {
    Load::new(address)
        .clients(CLIENTS as usize)
        .keep_alive()
        .rate(1000)
        .expect_body("Hello, World!")
        .timeout(Duration::from_secs(20))
        .duration(PATIENCE * 10)
        .start()
        .expect("the load starts")
}

/// Waits until the clients have made so many requests more.
fn go_on(load: &RunningLoad, requests: u64) {
    load.wait_for_more(requests, PATIENCE)
        .expect("the clients get on");
}

/// How many requests waited in vain.
fn timed_out(report: &Report) -> u64 {
    let phases = [Phase::Connect, Phase::Answer];
    phases
        .into_iter()
        .map(|phase| report.failed_with(FailureKind::TimedOut(phase)))
        .sum()
}
