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
        let old_drains = place("drains: its successor is ready").unwrap();
        assert!(successor_ready < old_drains, "{lines:#?}");
        assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    }
}

#[test]
fn what_a_dead_worker_started_dies_with_it() {
    let worker = everport_tests::program("test-worker");
    let mut command = Cluster::command(["-w", "1"]);
    let script = format!(
        "sleep 1000 & echo child $!; exec {} --listen 127.0.0.1:0",
        worker.display()
    );
    command.args(["--", "sh", "-c", &script]);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    let line = cluster.log().wait_for("child ");
    let child: u32 = line.split_whitespace().last().unwrap().parse().unwrap();
    assert!(everport_tests::is_alive(child));
    cluster.workers()[0].signal(Signal::KILL);
    cluster
        .log()
        .wait_for("worker 1 (slot 0) died: killed by SIGKILL");
    let deadline = std::time::Instant::now() + everport_tests::PATIENCE;
    while everport_tests::is_alive(child) {
        assert!(
            std::time::Instant::now() < deadline,
            "{child} outlived its worker"
        );
        std::thread::yield_now();
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
