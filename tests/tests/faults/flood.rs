//! A worker that serves and floods its link meanwhile.

use everport_tests::{Cluster, Exit, get};
use rustix::process::Signal;

#[test]
fn a_worker_that_floods_its_link_delays_neither_others_nor_its_own_end() {
    let cluster = Cluster::ready("-w 2 --settle 0", "--listen 127.0.0.1:0");
    let flooder = get(cluster.address(), "/flood").worker();
    let slot = flooder - 1;
    cluster
        .log()
        .wait_for(&format!("{slot}.{flooder} out  a thousand frames"));
    cluster.signal(Signal::TTIN);
    cluster.log().wait_for("worker 3 (slot 2) is ready");
    cluster.restart();
    cluster
        .log()
        .wait_for(&format!("worker {flooder} (slot {slot}) ended: exited"));
    // Both are killed after 30 s: who has not come up, and who has not drained.
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
