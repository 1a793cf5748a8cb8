//! Scaling under load.

use everport_tests::{Cluster, get, take_turn};
use rustix::process::Signal;

use crate::{go_on, one_shot_load};

fn scaling_loses_nothing(share: &str) {
    let _turn = take_turn();
    let cluster = Cluster::ready(&format!("-w 4 --share {share}"), "--listen 127.0.0.1:0");
    let load = one_shot_load(cluster.address());
    go_on(&load, 100);
    for step in ["from 4 to 3", "from 3 to 2"] {
        cluster.signal(Signal::TTOU);
        cluster.log().wait_for(&format!("scaled {step}"));
    }
    cluster.log().wait_for_many(2, "has drained");
    go_on(&load, 500);
    assert_eq!(cluster.workers().len(), 2);
    for step in ["from 2 to 3", "from 3 to 4"] {
        cluster.signal(Signal::TTIN);
        cluster.log().wait_for(&format!("scaled {step}"));
    }
    cluster.log().wait_for_many(6, "is ready after");
    go_on(&load, 500);
    let report = load.stop();
    report.assert_lossless();
    assert_eq!(
        report.workers.len(),
        6,
        "all four and then two new ones have served:\n{report}"
    );
    assert!(get(cluster.address(), "/").worker() > 0);
}

#[test]
fn scaling_down_and_up_loses_nothing_by_reuseport() {
    scaling_loses_nothing("reuseport");
}

#[test]
fn scaling_down_and_up_loses_nothing_by_transfer() {
    scaling_loses_nothing("transfer");
}
