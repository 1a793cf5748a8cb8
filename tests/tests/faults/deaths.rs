//! Processes that end, or stay, in ways they should not.

use std::fs;

use everport_tests::{Cluster, Exit, PATIENCE, get, is_alive, program};
use rustix::process::{Pid, Signal, kill_process};

/// A cluster of workers that a shell starts, after it has done something else.
fn cluster_behind(script: &str, options: &str) -> Cluster {
    let mut command = Cluster::command(options.split_whitespace());
    let worker = program("test-worker");
    let script = format!("{script} exec {} --listen 127.0.0.1:0", worker.display());
    command.args(["--", "sh", "-c", &script]);
    Cluster::spawn(command)
}

#[test]
fn a_grandchild_that_keeps_its_workers_stderr_holds_up_nobody() {
    // In a session of its own it is not in the worker's process group, so that it outlives the worker. It tells its pid
    // itself, because whoever starts it does not know when it has left the group.
    let grandchild = "setsid sh -c 'echo grandchild $$; exec sleep 3600' &";
    let cluster = cluster_behind(grandchild, "-w 1 --settle 0");
    cluster.wait_until_ready();
    let line = cluster.log().wait_for("grandchild ");
    let pid: i32 = line.split_whitespace().last().unwrap().parse().unwrap();
    // It is killed by the end of the test, whatever that is.
    let grandchild = Grandchild(Pid::from_raw(pid).unwrap());

    cluster.workers()[0].signal(Signal::KILL);
    cluster
        .log()
        .wait_for("worker 1 (slot 0) died: killed by SIGKILL");
    cluster.log().wait_for("worker 2 (slot 0) is ready");
    cluster.restart();
    cluster.log().wait_for("worker 2 (slot 0) ended: exited");
    assert_eq!(get(cluster.address(), "/").worker(), 3);
    assert!(grandchild.is_alive(), "it was to outlive its worker");
    cluster.log().wait_for_many(3, " grandchild ");
    let _others = grandchildren(&cluster);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

/// A process that nobody else ends.
struct Grandchild(Pid);

impl Grandchild {
    fn is_alive(&self) -> bool {
        is_alive(self.0.as_raw_nonzero().get().unsigned_abs())
    }
}

impl Drop for Grandchild {
    fn drop(&mut self) {
        // One that has ended already is just as well.
        let _ended = kill_process(self.0, Signal::KILL);
    }
}

fn grandchildren(cluster: &Cluster) -> Vec<Grandchild> {
    let lines = cluster.log().matching(" grandchild ");
    let pid = |line: &String| line.split_whitespace().last()?.parse().ok();
    let pids = lines.iter().filter_map(pid).filter_map(Pid::from_raw);
    pids.map(Grandchild).collect()
}

#[test]
fn a_worker_that_fails_while_it_drains_is_told_of_and_stops_no_rollout() {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1 fails-when-leaving").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let cluster = Cluster::ready("-w 2 --settle 0", &arguments);
    // More often than the budget allows deaths: an end that was asked for is none of them.
    for _ in 0..7 {
        cluster.restart();
    }
    cluster.log().wait_for_many(14, "ended: exited with code 7");
    let lines = cluster.log().lines();
    let is_alarm = |line: &&String| line.contains("died") || line.contains("crash-looping");
    assert_eq!(lines.iter().find(is_alarm), None);
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_program_that_ignores_term_is_killed_at_the_deadline() {
    // It knows no link, so that a signal is all it can be told by.
    let mut command = Cluster::command(["-w", "2", "--shutdown-timeout", "0.5"]);
    let script = "trap '' TERM; echo deaf; while :; do sleep 1; done";
    command.args(["--", "sh", "-c", script]);
    let mut cluster = Cluster::spawn(command);
    cluster.log().wait_for_many(2, "out  deaf");
    let workers = cluster.workers();
    cluster.signal(Signal::TERM);
    assert_eq!(cluster.wait(), Exit::Code(0));
    let killed = "has not drained within 500 ms and is killed";
    assert_eq!(cluster.log().matching(killed).len(), 2);
    assert!(workers.iter().all(|worker| !is_alive(worker.pid)));
}

#[test]
fn a_program_that_ends_at_once_without_an_error_is_no_worker_either() {
    let mut command = Cluster::command(["-w", "2"]);
    command.args(["--", "true"]);
    let mut cluster = Cluster::spawn(command);
    assert_eq!(cluster.wait(), Exit::Code(3));
    // It gives up at the fifth start of the slower slot; the other may have had more by then.
    let starts = |slot: u32| {
        cluster
            .log()
            .matching(&format!("(slot {slot}) started: pid"))
            .len()
    };
    assert_eq!(starts(0).min(starts(1)), 5);
}

#[test]
fn when_the_watcher_is_killed_another_has_the_port_at_once_and_requests_finish() {
    for share in ["reuseport", "transfer", "dispatch"] {
        let options = format!("-w 2 --share {share}");
        let mut killed = Cluster::ready(&options, "--listen 127.0.0.1:0");
        let address = killed.address();
        let orphans = killed.workers();
        let directory = tempfile::tempdir().unwrap();
        let over = directory.path().join("over");
        let path = format!("/slow?until={}", over.display());
        let slow = std::thread::spawn(move || get(address, &path));
        killed.log().wait_for("slow begins");
        killed.signal(Signal::KILL);
        let next = Cluster::ready(&options, &format!("--listen {address}"));
        assert!(
            orphans.iter().any(|orphan| is_alive(orphan.pid)),
            "the request was to be under way still"
        );
        fs::write(&over, "").unwrap();
        assert_eq!(slow.join().unwrap().body, "Hello, World!");
        assert_eq!(killed.wait(), Exit::Signal(9));
        let deadline = std::time::Instant::now() + PATIENCE;
        while orphans.iter().any(|orphan| is_alive(orphan.pid)) {
            assert!(std::time::Instant::now() < deadline, "an orphan stays");
            std::thread::yield_now();
        }
        assert_eq!(next.stop(), Exit::Code(0));
    }
}
