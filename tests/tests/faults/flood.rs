//! A worker that serves and floods its link meanwhile.

use std::time::{Duration, Instant};

use everport_tests::{Cluster, Exit, get};
use rustix::process::Signal;

/// Far longer than a restart of two workers takes on a busy machine, and far shorter than the 30 s after which one
/// that has not drained is killed and one that has not come up is given up.
const BOUND: Duration = Duration::from_secs(10);

#[test]
fn a_worker_that_floods_its_link_delays_neither_others_nor_its_own_end() {
    let cluster = Cluster::ready("-w 2 --settle 0", "--listen 127.0.0.1:0");
    let flooder = get(cluster.address(), "/flood").worker();
    let slot = flooder - 1;
    cluster
        .log()
        .wait_for(&format!("{slot}.{flooder} out  a thousand frames"));
    let begin = Instant::now();
    cluster.signal(Signal::TTIN);
    cluster.log().wait_for("worker 3 (slot 2) is ready");
    let ready = begin.elapsed();
    cluster.restart();
    cluster
        .log()
        .wait_for(&format!("worker {flooder} (slot {slot}) ended: exited"));
    let ended = begin.elapsed();
    println!("another is ready after {ready:?}, restarted and ended after {ended:?}");
    assert!(ready < BOUND && ended < BOUND, "{ready:?}, {ended:?}");
    assert_eq!(cluster.log().matching("is killed"), [""; 0]);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_worker_that_floods_its_link_without_end_is_noticed_when_it_dies() {
    let cluster = Cluster::ready("-w 2", "--rude flood");
    let victim = cluster.workers()[0];
    victim.signal(Signal::KILL);
    cluster.log().wait_for(&format!(
        "worker {} (slot {}) died: killed by SIGKILL",
        victim.worker, victim.slot
    ));
    cluster.log().wait_for("worker 3 (slot 0) is ready");
}
