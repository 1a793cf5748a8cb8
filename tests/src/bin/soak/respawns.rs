//! Workers replaced by the thousand: whether the watcher holds more after it than before.

use everport_tests::Cluster;

use crate::ledger::Ledger;

/// The slots of the cluster: one restart starts as many workers.
const SLOTS: u32 = 4;

/// How many restarts come before the count, so that what is made once has been made.
const WARM_UP: u32 = 25;

/// Restarts a cluster until so many workers have been started; says whether its watcher is as it was.
pub(crate) fn run(respawns: u32, share: &str) -> bool {
    let options = format!("-w {SLOTS} --settle 0 --share {share}");
    let cluster = Cluster::ready(&options, "--listen 127.0.0.1:0");
    let before = restart(&cluster, 0, WARM_UP);
    let after = restart(&cluster, WARM_UP, respawns.div_ceil(SLOTS));
    println!("{respawns} respawns\nwatcher before {before}\nwatcher after  {after}");
    after.is_no_more_than(&before)
}

/// Restarts so many times after those `done`, and takes stock when the last old worker has ended.
fn restart(cluster: &Cluster, done: u32, times: u32) -> Ledger {
    for _ in 0..times {
        cluster.restart();
    }
    let ended = (done + times) * SLOTS;
    cluster.log().wait_for_many(ended as usize, "ended: exited");
    Ledger::of(cluster)
}
