//! Ports: who gets which, who is refused and why, and when they close.

use std::collections::BTreeSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU16, Ordering};

use everport_tests::{Cluster, Exit, Kind, for_each_kind, get, has_ipv6};

for_each_kind!(
    all_workers_get_the_same_number_for_port_zero_and_can_read_it,
    every_worker_serves_in_each_way_of_sharing,
    a_worker_may_ask_for_another_way_of_sharing,
    the_ipv4_and_the_ipv6_wildcard_are_two_ports,
    a_port_that_is_taken_is_an_error_that_names_its_owner,
    a_worker_that_still_waits_for_its_port_when_the_cluster_stops_is_told_so,
    a_foreign_cluster_on_the_port_is_seen_although_the_kernel_would_let_us_in,
    one_bad_port_harms_neither_the_watcher_nor_the_good_one,
    a_backlog_that_the_kernel_clamps_is_said_once,
    a_worker_that_asks_twice_for_one_port_is_told_so,
    a_port_that_every_worker_gives_back_is_closed,
    a_port_that_the_new_release_does_not_ask_for_is_closed,
    a_port_given_back_just_before_its_worker_is_replaced_closes_all_the_same,
);

/// How many lines that contain the text are not the watcher's: workers have printed them.
fn printed(lines: &[String], text: &str) -> usize {
    let is_it = |line: &&String| line.contains(text) && !line.contains(" watcher  ");
    lines.iter().filter(is_it).count()
}

fn wait_for_printed(cluster: &Cluster, count: usize, text: &str) {
    cluster
        .log()
        .wait_until(text, |lines| (printed(lines, text) >= count).then_some(()));
}

/// A port number that is free, and that nobody gets who leaves the choice to the kernel, as the clients of other tests do
/// (`ip_local_port_range`).
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Other programs that run this begin elsewhere.
    let first = 20_000 + std::process::id() % 10_000;
    let first = u16::try_from(first).unwrap();
    let candidates = std::iter::from_fn(|| Some(first + NEXT.fetch_add(1, Ordering::Relaxed)));
    let is_free = |port: &u16| {
        let wildcards = [format!("0.0.0.0:{port}"), format!("[::]:{port}")];
        wildcards.iter().all(|any| TcpListener::bind(any).is_ok())
    };
    candidates.take(1000).find(is_free).unwrap()
}

fn all_workers_get_the_same_number_for_port_zero_and_can_read_it(kind: Kind) {
    for share in ["reuseport", "transfer", "dispatch"] {
        let cluster = kind.ready(
            &format!("-w 3 --share {share}"),
            "--listen 127.0.0.1:0 --listen 127.0.0.1:0",
        );
        let addresses = cluster.addresses(2);
        assert_ne!(addresses[0], addresses[1]);
        for address in &addresses {
            wait_for_printed(&cluster, 3, &format!("listening on {address}"));
        }
        assert_eq!(printed(&cluster.log().lines(), "listening on"), 6);
    }
}

fn every_worker_serves_in_each_way_of_sharing(kind: Kind) {
    for share in ["reuseport", "transfer", "dispatch"] {
        let cluster = kind.ready(&format!("-w 4 --share {share}"), "--listen 127.0.0.1:0");
        let address = cluster.address();
        let mut seen = BTreeSet::new();
        for _ in 0..2000 {
            seen.insert(get(address, "/").worker());
            if seen.len() == 4 {
                break;
            }
        }
        assert_eq!(seen.len(), 4, "{share}: {seen:?}");
    }
}

fn a_worker_may_ask_for_another_way_of_sharing(kind: Kind) {
    let cluster = kind.ready("-w 2 --share reuseport", "--transfer --listen 127.0.0.1:0");
    cluster.log().wait_for("(transfer)");
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
}

fn the_ipv4_and_the_ipv6_wildcard_are_two_ports(kind: Kind) {
    if !has_ipv6() {
        return;
    }
    let port = free_port();
    let cluster = kind.ready(
        "-w 2",
        &format!("--listen 0.0.0.0:{port} --listen [::]:{port}"),
    );
    for address in cluster.addresses(2) {
        assert_eq!(get(address, "/").body, "Hello, World!");
    }
}

fn a_port_that_is_taken_is_an_error_that_names_its_owner(kind: Kind) {
    let owner = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = owner.local_addr().unwrap();
    let mut cluster = kind.start("-w 1", &format!("--listen {address}"));
    let expected = format!("cannot listen on {address}: address already in use by");
    let line = cluster.log().wait_for(&expected);
    assert!(
        line.contains(&format!("(pid {})", std::process::id())),
        "{line}"
    );
    // The worker that asked gets the same error, typed, and says it in its own words.
    cluster.log().wait_for(&format!("test-worker: {expected}"));
    assert_eq!(cluster.wait(), Exit::Code(5));
}

fn a_worker_that_still_waits_for_its_port_when_the_cluster_stops_is_told_so(kind: Kind) {
    let owner = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = owner.local_addr().unwrap();
    let mut cluster = kind.start("-w 1", &format!("--listen 127.0.0.1:0 --listen {address}"));
    // The first port is open, and the second one is tried for a second.
    wait_for_printed(&cluster, 1, "listening on");
    cluster.signal(rustix::process::Signal::TERM);
    cluster
        .log()
        .wait_for(&format!("test-worker: cannot listen on {address}"));
    assert_eq!(cluster.wait(), Exit::Code(0));
}

fn a_foreign_cluster_on_the_port_is_seen_although_the_kernel_would_let_us_in(kind: Kind) {
    let first = kind.ready("-w 1 --share reuseport", "--listen 127.0.0.1:0");
    let address = first.address();
    let mut second = kind.start("-w 1 --share reuseport", &format!("--listen {address}"));
    let owner = match kind {
        Kind::Processes => "everport",
        Kind::Threads => "test-worker",
    };
    second
        .log()
        .wait_for(&format!("address already in use by {owner}"));
    assert_eq!(second.wait(), Exit::Code(5));
    assert_eq!(get(address, "/").worker(), 1);
}

fn one_bad_port_harms_neither_the_watcher_nor_the_good_one(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1").unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let arguments = format!(
        "--listen 127.0.0.1:0 --second-port {} --release {}",
        taken.local_addr().unwrap(),
        release.display()
    );
    let cluster = kind.ready("-w 2", &arguments);
    fs::write(&release, "v2 second-port").unwrap();
    cluster.signal(rustix::process::Signal::USR1);
    cluster.log().wait_for("aborted: ");
    assert_eq!(get(cluster.address(), "/").header("x-release"), Some("v1"));
}

fn a_backlog_that_the_kernel_clamps_is_said_once(kind: Kind) {
    let cluster = kind.ready(
        "-w 3",
        "--backlog 1000000000 --listen 127.0.0.1:0 --listen 127.0.0.1:0",
    );
    assert_eq!(
        cluster
            .log()
            .matching("waiting connections per socket, not 1000000000")
            .len(),
        1
    );
}

fn a_worker_that_asks_twice_for_one_port_is_told_so(kind: Kind) {
    let port = free_port();
    let arguments = format!("--listen 127.0.0.1:{port} --listen 127.0.0.1:{port}");
    let mut cluster = kind.start("-w 1", &arguments);
    cluster.log().wait_for("this worker listens on it already");
    assert_eq!(cluster.wait(), Exit::Code(5));
}

fn a_port_that_every_worker_gives_back_is_closed(kind: Kind) {
    for share in ["reuseport", "transfer", "dispatch"] {
        let directory = tempfile::tempdir().unwrap();
        let release = directory.path().join("release");
        fs::write(&release, "v1 second-port gives-second-port-back").unwrap();
        let second = free_port();
        let arguments = format!(
            "--listen 127.0.0.1:0 --second-port 127.0.0.1:{second} --release {}",
            release.display()
        );
        let cluster = kind.ready(&format!("-w 2 --share {share}"), &arguments);
        cluster
            .log()
            .wait_for(&format!("closed 127.0.0.1:{second}"));
        assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
        let deadline = std::time::Instant::now() + everport_tests::PATIENCE;
        while TcpStream::connect(("127.0.0.1", second)).is_ok() {
            assert!(
                std::time::Instant::now() < deadline,
                "{second} is still open"
            );
        }
    }
}

fn a_port_that_the_new_release_does_not_ask_for_is_closed(kind: Kind) {
    for share in ["reuseport", "transfer", "dispatch"] {
        let directory = tempfile::tempdir().unwrap();
        let release = directory.path().join("release");
        fs::write(&release, "v1 second-port").unwrap();
        let second = free_port();
        let arguments = format!(
            "--listen 127.0.0.1:0 --second-port 127.0.0.1:{second} --release {}",
            release.display()
        );
        let cluster = kind.ready(&format!("-w 2 --settle 0 --share {share}"), &arguments);
        let addresses = cluster.addresses(2);
        assert_eq!(get(addresses[1], "/").header("x-release"), Some("v1"));
        fs::write(&release, "v2").unwrap();
        cluster.restart();
        cluster
            .log()
            .wait_for(&format!("closed 127.0.0.1:{second}"));
        cluster.log().wait_for_many(2, kind.ended());
        assert_eq!(get(addresses[0], "/").header("x-release"), Some("v2"));
        let deadline = std::time::Instant::now() + everport_tests::PATIENCE;
        while TcpStream::connect(addresses[1]).is_ok() {
            assert!(
                std::time::Instant::now() < deadline,
                "{} is still open",
                addresses[1]
            );
        }
        // Asked for again, it is there again.
        fs::write(&release, "v3 second-port").unwrap();
        cluster.restart();
        assert_eq!(get(addresses[1], "/").header("x-release"), Some("v3"));
    }
}

fn a_port_given_back_just_before_its_worker_is_replaced_closes_all_the_same(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1 second-port gives-second-port-back").unwrap();
    let port = free_port();
    let arguments = format!(
        "--listen 127.0.0.1:0 --second-port 127.0.0.1:{port} --release {}",
        release.display()
    );
    let cluster = kind.ready("-w 1 --settle 0", &arguments);
    fs::write(&release, "v2").unwrap();
    cluster.restart();
    cluster
        .log()
        .wait_for(&format!("closed 127.0.0.1:{port}: "));
}
