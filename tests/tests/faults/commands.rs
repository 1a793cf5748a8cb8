//! Commands that come while another one is carried out.

use everport_tests::{Cluster, Exit};
use rustix::process::Signal;

#[test]
fn a_stop_during_a_restart_that_was_scaled_leaves_nobody_behind() {
    let mut cluster = Cluster::ready("-w 2 --settle 60", "--listen 127.0.0.1:0");
    cluster.signal(Signal::USR1);
    cluster
        .log()
        .wait_for("rollout from generation 1 to generation 2 started");
    cluster.signal(Signal::TTIN);
    cluster.log().wait_for("scaled from 2 to 3 workers");
    cluster.signal(Signal::TERM);
    assert_eq!(cluster.wait(), Exit::Code(0));
    assert_eq!(cluster.workers(), []);
    assert_eq!(cluster.log().matching("is killed"), [""; 0]);
}
