//! Whether a worker has its share of the new connections.

use std::net::SocketAddr;
use std::time::Instant;

use crate::{PATIENCE, get};

/// Enough for a fair share that is told from a quarter of it whatever the kernel draws.
const REQUESTS: usize = 400;

/// Waits until a worker gets its share of the new connections: at least a quarter of what would be fair among so many
/// workers. A machine that is busy may have one of them served more than another, and what comes while it lets one stand
/// still is served by the others.
///
/// # Panics
/// When it does not get it in time.
#[track_caller]
pub fn check_share(address: SocketAddr, worker: u64, workers: usize) {
    let deadline = Instant::now() + PATIENCE;
    let fair = REQUESTS / workers;
    loop {
        let answers = (0..REQUESTS).map(|_| get(address, "/").worker());
        let served = answers.filter(|answered| *answered == worker).count();
        println!("worker {worker} served {served} of {REQUESTS}; {fair} would be fair");
        if served >= fair / 4 {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "worker {worker} served {served} of {REQUESTS} among {workers} workers"
        );
    }
}
