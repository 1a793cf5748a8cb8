//! A cluster that goes on for the drain delay once it was told to stop.

use everport_tests::{Exit, Kind, for_each_kind, get};
use rustix::process::Signal;

for_each_kind!(
    a_worker_that_dies_during_the_drain_delay_is_replaced,
    a_second_signal_during_the_drain_delay_waits_for_nothing,
    a_restart_has_no_drain_delay,
    a_restart_during_the_drain_delay_is_refused_aloud,
);

fn a_worker_that_dies_during_the_drain_delay_is_replaced(kind: Kind) {
    let mut cluster = kind.ready("-w 2 --drain-delay 10", "--listen 127.0.0.1:0");
    cluster.signal(Signal::TERM);
    cluster.log().wait_for("leaving: ");
    cluster.crash(cluster.workers()[0]);
    // It is told of the stop while it boots, and comes up all the same.
    let ready = cluster.log().wait_for("worker 3 (slot ");
    assert!(ready.contains("started"), "{ready}");
    cluster.log().wait_for_many(3, "is ready after");
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    assert_eq!(cluster.wait(), Exit::Code(0));
    assert_eq!(cluster.log().matching("died: ").len(), 1);
}

fn a_second_signal_during_the_drain_delay_waits_for_nothing(kind: Kind) {
    let mut cluster = kind.ready("-w 2 --drain-delay 60", "--listen 127.0.0.1:0");
    cluster.signal(Signal::TERM);
    cluster.log().wait_for("leaving: ");
    cluster.signal(Signal::QUIT);
    assert_eq!(cluster.wait(), Exit::Code(8));
}

fn a_restart_has_no_drain_delay(kind: Kind) {
    let cluster = kind.ready("-w 2 --settle 0 --drain-delay 3600", "--listen 127.0.0.1:0");
    cluster.restart();
    // Those that were replaced have drained without having been told of a stop.
    cluster.log().wait_for_many(2, " has drained");
    assert!(cluster.log().matching("leaving: ").is_empty());
}

fn a_restart_during_the_drain_delay_is_refused_aloud(kind: Kind) {
    let mut cluster = kind.ready("-w 2 --drain-delay 3600", "--listen 127.0.0.1:0");
    cluster.signal(Signal::TERM);
    cluster.log().wait_for("leaving: ");
    cluster.signal(Signal::USR1);
    cluster
        .log()
        .wait_for("restart asked for although the cluster stops: there is none");
    cluster.signal(Signal::QUIT);
    assert_eq!(cluster.wait(), Exit::Code(8));
}
