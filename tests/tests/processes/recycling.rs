//! Workers that are replaced because they have done enough, or use too much.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::time::Instant;

use everport_tests::{Cluster, Exit, Kind, PATIENCE, for_each_kind, get, wait_until};
use rustix::process::Signal;

for_each_kind!(
    a_worker_that_has_accepted_enough_is_replaced_ready_first_and_serves_on_until_then,
    without_a_limit_nobody_is_replaced,
    workers_that_have_lived_long_enough_are_replaced_ready_first_and_one_at_a_time,
    nobody_is_replaced_for_a_limit_during_a_rollout_but_right_after_it,
);

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

fn a_worker_that_has_accepted_enough_is_replaced_ready_first_and_serves_on_until_then(kind: Kind) {
    let cluster = kind.ready(
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

fn without_a_limit_nobody_is_replaced(kind: Kind) {
    let cluster = kind.ready("-w 1", "--listen 127.0.0.1:0");
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
    check_one_at_a_time(&cluster);
    // One that was asked to grow after them is replaced as they were.
    wait_until("two workers", || cluster.workers().len() == 2);
}

/// The second one's turn comes when the first one has been told to drain.
#[track_caller]
fn check_one_at_a_time(cluster: &Cluster) {
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
}

/// Both are due within 0.3 s, and a replacement takes longer than that: they would overlap if they could.
fn workers_that_have_lived_long_enough_are_replaced_ready_first_and_one_at_a_time(kind: Kind) {
    let options = "-w 2 --settle 0.5 --max-lifetime 3";
    let cluster = kind.ready(options, "--listen 127.0.0.1:0");
    let address = cluster.address();
    let has_ended = |worker: u64| {
        let ended = format!("worker {worker} (slot {}) {}", worker - 1, kind.ended());
        !cluster.log().matching(&ended).is_empty()
    };
    // Nobody is refused and nobody waits in vain meanwhile: that would be a panic. Their successors serve as well, if
    // nobody looks away just then: there are others after them.
    let mut served = BTreeSet::new();
    let deadline = Instant::now() + PATIENCE;
    while !(has_ended(1) && has_ended(2) && served.len() >= 4) {
        assert!(Instant::now() < deadline, "{served:?}");
        served.insert(get(address, "/").worker());
    }
    cluster
        .log()
        .wait_for_many(2, "is being replaced: it has lived for as long as it may");
    check_one_at_a_time(&cluster);
    // Who came first depends on the draw.
    let first = cluster.log().wait_for("is being replaced");
    let (_, name) = first.split_once("watcher  ").unwrap();
    let (name, _) = name.split_once(" is being").unwrap();
    let slot = name.split_once(" (").unwrap().1;
    check_order(
        &cluster,
        &[
            &format!("{name} is being replaced"),
            &format!("worker 3 ({slot} is ready"),
            &format!("{name} drains"),
            &format!("{name} {}", kind.ended()),
        ],
    );
    assert_eq!(cluster.log().matching(" died: "), [""; 0]);
    assert_eq!(cluster.log().matching("is killed"), [""; 0]);
}

/// Asks until each of these workers has answered so many times.
fn ask_each(address: SocketAddr, workers: &[u64], times: u32) {
    let mut answers = BTreeMap::new();
    let has_enough = |answers: &BTreeMap<u64, u32>| {
        workers
            .iter()
            .all(|worker| answers.get(worker) >= Some(&times))
    };
    while !has_enough(&answers) {
        *answers.entry(get(address, "/").worker()).or_default() += 1;
    }
}

fn nobody_is_replaced_for_a_limit_during_a_rollout_but_right_after_it(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let options = "-w 3 --surge 2 --settle 0.1 --boot-timeout 20 --max-connections 10";
    let cluster = kind.ready(options, &arguments);
    fs::write(&release, "v2 hangs-at-boot").unwrap();
    cluster.signal(Signal::USR1);
    cluster.log().wait_for_many(2, "release v2 hangs");
    fs::write(&release, "v1").unwrap();
    ask_each(cluster.address(), &[1, 2, 3], 10);
    let log = cluster.log().lines();
    let is_over = |line: &String| line.contains("aborted: ");
    assert!(!log.iter().any(is_over), "too slow to show it: {log:#?}");
    cluster.log().wait_for_many(3, "is being replaced");
    check_order(
        &cluster,
        &[
            "rollout from generation 1 to generation 2 started",
            "did not come up within 20 s and is killed",
            "aborted: ",
            "rolled back to generation 1",
            "is being replaced: it has accepted as many connections as it may",
        ],
    );
    for worker in 1..=3 {
        let ended = format!("worker {worker} (slot {}) {}", worker - 1, kind.ended());
        cluster.log().wait_for(&ended);
    }
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
}
