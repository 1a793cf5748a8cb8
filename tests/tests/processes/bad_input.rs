//! Workers that are strangers: a running cluster is never harmed by what they send.

#[cfg(all(target_os = "linux", not(everport_portable)))]
use std::net::TcpStream;

#[cfg(all(target_os = "linux", not(everport_portable)))]
use everport_tests::wait_until;
use everport_tests::{Cluster, Exit};
use rustix::process::Signal;

/// A cluster of rude workers is told apart by what the log says of them; it ends as never ready.
fn check(rudeness: &str, expected: &str) {
    check_with("--boot-timeout 20", rudeness, expected);
}

fn check_with(options: &str, rudeness: &str, expected: &str) {
    let mut cluster = Cluster::start(&format!("-w 1 {options}"), &format!("--rude {rudeness}"));
    cluster.log().wait_for(expected);
    assert_eq!(cluster.wait(), Exit::Code(3), "{rudeness}");
}

#[test]
fn frames_that_are_none_cost_a_worker_its_link() {
    check("garbage", "broke the link's protocol");
    check("truncated", "broke the link's protocol");
    check("oversized", "broke the link's protocol");
    check("empty", "broke the link's protocol");
    check("out-of-state", "before Hello");
}

#[test]
fn a_worker_of_another_protocol_version_is_told_which_ones_are_spoken() {
    check(
        "other-version",
        "it speaks versions 900 to 901 of the protocol",
    );
}

#[test]
fn a_program_that_closes_its_link_or_says_nothing_never_gets_ready() {
    check("closes-link", "the link is closed");
    check_with(
        "--boot-timeout 0.3",
        "silent",
        "did not come up within 300 ms and is killed",
    );
}

#[test]
fn a_worker_that_turns_rude_once_ready_is_replaced() {
    let cluster = Cluster::start("-w 1 --shutdown-timeout 0.3", "--rude ready-then-garbage");
    cluster.log().wait_for("is ready after");
    cluster.log().wait_for("broke the link's protocol");
    cluster.log().wait_for_many(2, "started: pid");
    cluster
        .log()
        .wait_for("has not drained within 300 ms and is killed");
}

#[test]
fn a_worker_that_breaks_the_protocol_sees_its_link_end() {
    let cluster = Cluster::start("-w 1 --shutdown-timeout 20", "--rude ready-twice");
    cluster.log().wait_for("Ready was sent twice");
    cluster.log().wait_for("0.1 out  the link has ended");
}

/// Elsewhere there are no rings.
#[test]
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn a_ring_full_of_garbage_costs_a_worker_its_ring_and_nothing_else() {
    let cluster = Cluster::start("-w 2", "--rude ring-of-garbage");
    cluster.log().wait_for_many(
        2,
        "left no records in its ring but a record of 4294967295 bytes",
    );
    cluster.log().wait_for_many(2, "is ready after");
    cluster.signal(Signal::TTIN);
    cluster.log().wait_for_many(3, "is ready after");
    assert!(
        cluster
            .log()
            .matching("broke the link's protocol")
            .is_empty()
    );
    assert!(cluster.log().matching("the link has ended").is_empty());
}

#[test]
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn a_record_that_was_committed_by_hand_is_told_before_its_worker_is_dead() {
    let cluster = Cluster::start("-w 1", "--rude ring-by-hand");
    cluster.log().wait_for("died: killed by SIGKILL");
    let told = cluster.log().matching("logged by hand");
    assert!(told[0].contains("by_hand"), "{told:?}");
    let lines = cluster.log().lines();
    let first = |text: &str| lines.iter().position(|line| line.contains(text));
    let (record, death) = (first("logged by hand"), first("died: killed by SIGKILL"));
    assert!(record < death, "{}", lines.join("\n"));
}

#[test]
fn a_worker_that_asks_for_two_rings_loses_its_link() {
    check("ring-twice", "OpenRing was sent twice");
}

/// Elsewhere nobody sees that a socket was shut down.
#[test]
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn a_socket_that_a_worker_spoils_for_good_harms_neither_the_others_nor_the_watcher() {
    let cluster = Cluster::ready("-w 2 --share reuseport", "--listen 127.0.0.1:0");
    let address = cluster.address();
    assert_eq!(
        everport_tests::get(address, "/shutdown?spoil").body,
        "shut down"
    );
    cluster.log().wait_for("does not listen again");
    for _ in 0..50 {
        assert_eq!(everport_tests::get(address, "/").body, "Hello, World!");
    }
    // The slot has its share again once it has a new worker.
    cluster.restart();
    cluster.log().wait_for_many(2, "ended: exited");
    for worker in cluster.workers() {
        everport_tests::check_share(address, worker.worker, 2);
    }
    assert_eq!(cluster.log().matching("does not listen again").len(), 1);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_flood_of_frames_delays_neither_other_workers_nor_the_end() {
    let mut flooded = Cluster::ready("-w 2", "--rude flood");
    flooded.signal(Signal::TTIN);
    flooded.log().wait_for_many(3, "is ready after");
    // Who has not come up after 30 s would be killed, and another one be ready in its place.
    assert_eq!(flooded.log().matching("did not come up"), [""; 0]);
    flooded.signal(Signal::QUIT);
    assert_eq!(flooded.wait(), Exit::Code(8));
}

/// Elsewhere nobody sees that a socket was shut down.
#[test]
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn a_worker_that_shuts_the_shared_socket_down_is_put_right() {
    for share in ["reuseport", "transfer"] {
        let cluster = Cluster::ready(&format!("-w 2 --share {share}"), "--listen 127.0.0.1:0");
        let address = cluster.address();
        assert_eq!(everport_tests::get(address, "/shutdown").body, "shut down");
        cluster
            .log()
            .wait_for("was shut down by a worker and listens again");
        // Another socket of the same port may have been shut down as well.
        wait_until("it listens", || TcpStream::connect(address).is_ok());
        for _ in 0..50 {
            assert_eq!(everport_tests::get(address, "/").body, "Hello, World!");
        }
    }
}
