//! Whether a worker has its share of the new connections.

use std::net::SocketAddr;
use std::time::Instant;

use crate::{PATIENCE, get};

/// Enough for a fair share that is told from a quarter of it whatever the kernel draws.
const REQUESTS: usize = 400;

/// Waits until a worker gets new connections, then checks that it gets its share: at least a quarter of what would be
/// fair among so many workers. A machine that is busy may have one of them served more than another.
///
/// # Panics
/// When it gets none in time, or too few.
#[track_caller]
pub fn check_share(address: SocketAddr, worker: u64, workers: usize) {
    let deadline = Instant::now() + PATIENCE;
    while get(address, "/").worker() != worker {
        assert!(Instant::now() < deadline, "worker {worker} gets nothing");
    }
    let answers = (0..REQUESTS).map(|_| get(address, "/").worker());
    let served = answers.filter(|answered| *answered == worker).count();
    let fair = REQUESTS / workers;
    println!("worker {worker} served {served} of {REQUESTS}; {fair} would be fair");
    assert!(
        served >= fair / 4,
        "worker {worker} served {served} of {REQUESTS} among {workers} workers"
    );
}
