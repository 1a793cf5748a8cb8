//! Workers that are replaced because they have done enough, or use too much.

use std::collections::BTreeSet;

use everport_tests::{Cluster, Exit, get};

/// The places in the log of lines that contain these texts, in this order.
#[track_caller]
fn check_order(cluster: &Cluster, texts: &[&str]) {
    let lines = cluster.log().lines();
    let place = |text: &&str| lines.iter().position(|line| line.contains(*text));
    let places: Vec<Option<usize>> = texts.iter().map(place).collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{texts:?} at {places:?} in {lines:#?}"
    );
}

#[test]
fn a_worker_that_has_accepted_enough_is_replaced_ready_first_and_serves_on_until_then() {
    let cluster = Cluster::ready(
        "-w 1 --settle 0.1 --max-connections 20",
        "--listen 127.0.0.1:0",
    );
    let address = cluster.address();
    for _ in 0..19 {
        assert_eq!(get(address, "/").worker(), 1);
    }
    assert_eq!(cluster.log().matching("is being replaced"), [""; 0]);
    assert_eq!(get(address, "/").worker(), 1);
    cluster.log().wait_for(
        "worker 1 (slot 0) is being replaced: it has accepted as many connections as it may",
    );
    // What comes while the successor boots and settles is served, too.
    while cluster.log().matching("worker 1 (slot 0) ended").is_empty() {
        assert_eq!(get(address, "/").body, "Hello, World!");
    }
    check_order(
        &cluster,
        &[
            "worker 2 (slot 0) is ready",
            "worker 1 (slot 0) drains",
            "worker 1 (slot 0) ended",
        ],
    );
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn without_a_limit_nobody_is_replaced() {
    let cluster = Cluster::ready("-w 1", "--listen 127.0.0.1:0");
    for _ in 0..50 {
        assert_eq!(get(cluster.address(), "/").worker(), 1);
    }
    assert_eq!(cluster.workers().len(), 1);
}

#[test]
fn workers_that_use_too_much_memory_are_replaced_ready_first_and_one_at_a_time() {
    let cluster = Cluster::ready("-w 2 --settle 0.3 --max-memory 96M", "--listen 127.0.0.1:0");
    let mut grown = BTreeSet::new();
    while !grown.is_superset(&BTreeSet::from([1, 2])) {
        grown.insert(get(cluster.address(), "/grow?mib=120").worker());
    }
    cluster
        .log()
        .wait_for_many(2, "of memory, more than 96.0 MiB");
    cluster
        .log()
        .wait_for_many(2, "is being replaced: it uses more memory than it may");
    for worker in [1, 2] {
        cluster.log().wait_for(&format!(
            "worker {worker} (slot {}) ended: exited",
            worker - 1
        ));
    }
    // The second one's turn comes when the first one has been told to drain.
    let lines = cluster.log().lines();
    let places = |text: &str| -> Vec<usize> {
        let is_it = |(_, line): &(usize, &String)| line.contains(text);
        lines
            .iter()
            .enumerate()
            .filter(is_it)
            .map(|(place, _)| place)
            .collect()
    };
    let (begun, drained) = (places("is being replaced"), places("drains: "));
    assert!(drained[0] < begun[1], "{lines:#?}");
    assert_eq!(cluster.workers().len(), 2);
}
