//! Workers that are told to end themselves.

use everport_tests::{Cluster, get};
use rustix::process::Signal;

#[test]
fn a_worker_that_gets_term_is_replaced_before_it_leaves() {
    for signal in [Signal::TERM, Signal::INT] {
        let cluster = Cluster::ready("-w 2 --settle 0.1", "--listen 127.0.0.1:0");
        let old = cluster.workers()[0];
        old.signal(signal);
        cluster.log().wait_for(&format!(
            "worker {} (slot {}) ended: exited",
            old.worker, old.slot
        ));
        let lines = cluster.log().lines();
        let place = |text: &str| lines.iter().position(|line| line.contains(text));
        let successor_ready = place("worker 3 (slot 0) is ready").unwrap();
        let old_drains = place("drains: replaced as it asked").unwrap();
        assert!(successor_ready < old_drains, "{lines:#?}");
        assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    }
}

#[test]
fn a_terminals_interrupt_reaches_the_watcher_only() {
    // Workers are leaders of their own sessions, so a signal to the watcher's process group misses them.
    let cluster = Cluster::ready("-w 2", "--listen 127.0.0.1:0");
    for worker in cluster.workers() {
        let pid = rustix::process::Pid::from_raw(worker.pid.cast_signed());
        assert_eq!(rustix::process::getsid(pid).ok(), pid);
        assert_eq!(rustix::process::getpgid(pid).ok(), pid);
    }
}
