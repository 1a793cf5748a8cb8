//! What the tests rely on of their own harness.

use everport_tests::{Cluster, children_of, is_alive, wait_until};

/// The log says nothing of these workers, as if they had been started a moment ago, and they would outlive their watcher.
#[test]
fn a_cluster_that_is_dropped_leaves_no_worker_behind_of_which_its_log_has_not_told() {
    let words = ["-w", "2", "--log-level", "error", "--", "sleep", "600"];
    let cluster = Cluster::spawn(Cluster::command(words));
    wait_until("two workers", || children_of(cluster.pid()).len() == 2);
    let workers = children_of(cluster.pid());
    assert!(cluster.workers().is_empty(), "the log tells of them");
    drop(cluster);
    wait_until("the end of both", || {
        !workers.iter().any(|worker| is_alive(*worker))
    });
}
