//! Workers that hang: they are found, described, killed and replaced, and nobody else is.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use everport_tests::{
    Cluster, Exit, Kind, PATIENCE, WorkerSeen, for_each_kind, get, is_alive, program,
};
use rustix::process::Signal;

use crate::waiting::{ask_many, block_for, block_until, check_answered, spin_one};

for_each_kind!(without_a_limit_a_worker_that_hangs_is_waited_for,);

fn name(worker: &WorkerSeen) -> String {
    format!("worker {} (slot {})", worker.worker, worker.slot)
}

/// What stands on the lines marked with `| ` below a line that contains the text. The last of them has come by
/// the time the worker's end is told.
fn lines_below(cluster: &Cluster, text: &str) -> Vec<String> {
    let lines = cluster.log().lines();
    let below = lines.iter().skip_while(|line| !line.contains(text)).skip(1);
    let marked = |line: &String| Some(line.split_once(" watcher  | ")?.1.to_owned());
    below.map_while(marked).collect()
}

/// A cluster whose workers each have a child in their process group.
fn cluster_with_children(options: &str) -> Cluster {
    let mut command = Cluster::command(options.split_whitespace());
    let script = format!(
        "sleep 1000 & echo child $!; exec {} --listen 127.0.0.1:0",
        program("test-worker").display()
    );
    command.args(["--", "sh", "-c", &script]);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    cluster
}

fn child_of(cluster: &Cluster, worker: &WorkerSeen) -> u32 {
    let tag = format!(" {}.{} out  child ", worker.slot, worker.worker);
    let line = cluster.log().wait_for(&tag);
    line.split_whitespace().last().unwrap().parse().unwrap()
}

#[test]
fn a_worker_that_hangs_is_described_killed_with_its_group_and_replaced() {
    // The guard may be doing something just then, but not each time.
    let mut asleep = 0;
    for share in ["reuseport", "transfer", "dispatch"] {
        let options = format!("-w 2 --share {share} --hang-timeout 4");
        let cluster = cluster_with_children(&options);
        for _ in 0..20 {
            assert_eq!(
                get(cluster.address(), "/print?text=last+words%0A").body,
                "printed"
            );
        }
        let (hung, _served) = spin_one(&cluster);
        let child = child_of(&cluster, &hung);
        check_answered(ask_many(cluster.address()));
        let who = name(&hung);
        cluster
            .log()
            .wait_for(&format!("{who} has not answered for 4 s and is killed"));
        cluster
            .log()
            .wait_for(&format!("{who} ended: killed by SIGKILL"));
        let description = lines_below(&cluster, &format!("{who} before it is killed:"));
        let main_thread = format!("thread {} (test-worker) runs", hung.pid);
        assert_eq!(description.first(), Some(&main_thread), "{description:#?}");
        let guard = |line: &&String| line.contains("(everport-guard) ");
        assert!(
            description.iter().any(|line| guard(&line)),
            "{description:#?}"
        );
        asleep += u32::from(check_guard(&description));
        assert_eq!(
            description.last().unwrap(),
            "last words",
            "{description:#?}"
        );
        cluster.log().wait_for_many(3, "is ready after");
        check_answered(ask_many(cluster.address()));
        assert!(
            !is_alive(child) || child_ends(child),
            "{child} outlived its worker"
        );
    }
    assert!(asleep > 0, "no guard was asleep");
}

/// Whether it was asleep, so that what it waits for could be checked.
#[track_caller]
fn check_guard(description: &[String]) -> bool {
    let guard = description
        .iter()
        .position(|line| line.contains("(everport-guard) sleeps"));
    if let Some(guard) = guard
        && rustix::process::geteuid().is_root()
    {
        check_kernel_stack(description, guard);
    }
    guard.is_some()
}

/// Root is told what the guard, which waits for its link, waits for in the kernel: `poll`, whatever it is called there.
/// A kernel built without this tells nobody, nor does it tell us of ourselves.
#[track_caller]
fn check_kernel_stack(description: &[String], guard: usize) {
    let is_told = |file: &str| {
        let seen = std::fs::read_to_string(format!("/proc/self/{file}"));
        seen.is_ok_and(|seen| seen.trim() != "0" && !seen.is_empty())
    };
    // The main thread waits for the one that runs this test.
    if is_told("wchan") {
        let line = &description[guard];
        assert!(line.contains("sleeps in "), "{description:#?}");
    }
    if is_told("stack") {
        let functions = description[guard + 1..].iter();
        let functions: Vec<_> = functions
            .take_while(|line| line.starts_with("  in "))
            .collect();
        assert!(
            functions.iter().any(|line| line.contains("poll")),
            "{description:#?}"
        );
    }
}

/// Whether the process ends in time: it is killed with its group, but nobody waits for it.
fn child_ends(child: u32) -> bool {
    let deadline = std::time::Instant::now() + PATIENCE;
    while is_alive(child) {
        if std::time::Instant::now() >= deadline {
            return false;
        }
        thread::yield_now();
    }
    true
}

/// After a second, or after more of them on a machine that stands still.
fn wait_until_silent(cluster: &Cluster, who: &str) {
    let silent = format!("{who} has not answered for ");
    let what = "a silence that is told";
    cluster.log().wait_for_line(what, |line| {
        line.contains(&silent) && line.contains(": new connections go to those that do")
    });
}

fn without_a_limit_a_worker_that_hangs_is_waited_for(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let over = directory.path().join("over");
    let cluster = kind.ready("-w 2 --hang-timeout 0", "--listen 127.0.0.1:0");
    let before = cluster.workers();
    let (hung, mut served) = block_until(&cluster, &over);
    check_answered(ask_many(cluster.address()));
    let who = name(&hung);
    wait_until_silent(&cluster, &who);
    std::fs::write(&over, "").unwrap();
    cluster
        .log()
        .wait_for(&format!("{who} answers again after"));
    let mut answer = String::new();
    served.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("Hello, World!"), "{answer}");
    assert_eq!(cluster.workers(), before);
    assert_eq!(cluster.log().matching("is killed").len(), 0);
}

#[test]
fn a_worker_that_does_not_come_up_or_does_not_drain_is_described_too() {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    std::fs::write(&release, "v1 hangs-at-boot").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let options = "-w 1 --boot-timeout 5 --shutdown-timeout 2";
    let mut cluster = Cluster::start(options, &arguments);
    cluster
        .log()
        .wait_for("worker 1 (slot 0) did not come up within 5 s and is killed");
    std::fs::write(&release, "v2").unwrap();
    cluster
        .log()
        .wait_for("worker 1 (slot 0) ended: killed by SIGKILL");
    let description = lines_below(&cluster, "worker 1 (slot 0) before it is killed:");
    assert!(
        description
            .iter()
            .any(|line| line.contains("(test-worker) sleeps")),
        "{description:#?}"
    );
    cluster.wait_until_ready();
    let (hung, _served) = block_for(&cluster, 60_000);
    cluster.signal(Signal::TERM);
    let who = name(&hung);
    cluster
        .log()
        .wait_for(&format!("{who} has not drained within 2 s and is killed"));
    cluster.wait();
    let description = lines_below(&cluster, &format!("{who} before it is killed:"));
    assert!(
        description
            .iter()
            .any(|line| line.contains("(test-worker) sleeps")),
        "{description:#?}"
    );
}

/// A connection that is kept after its first answer, and the worker behind it.
fn keep(address: SocketAddr) -> (TcpStream, u64) {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    let mut byte = [0];
    while !answer.ends_with(b"Hello, World!") {
        connection.read_exact(&mut byte).unwrap();
        answer.push(byte[0]);
    }
    let head = String::from_utf8(answer).unwrap();
    let worker = head
        .lines()
        .find_map(|line| line.strip_prefix("x-worker: "));
    (connection, worker.unwrap().parse().unwrap())
}

#[test]
fn a_worker_that_hangs_with_kept_connections_only_is_found_when_connections_come_to_others() {
    let cluster = Cluster::ready("-w 2 --hang-timeout 3", "--listen 127.0.0.1:0");
    let (mut kept, worker) = keep(cluster.address());
    // The watcher looks for longer than 2 s after a connection only when something waits.
    thread::sleep(Duration::from_secs(4));
    let position = cluster.log().position();
    kept.write_all(b"GET /block?ms=6000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    cluster.log().wait_after(position, "block begins");
    let mut first = [0; 12];
    kept.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200", "nobody knows that it hung");
    assert_eq!(cluster.workers().len(), 2);

    let position = cluster.log().position();
    kept.write_all(b"GET /block?ms=3600000 HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    cluster.log().wait_after(position, "block begins");
    let killed = format!("worker {worker} (slot {}) ended: killed", worker - 1);
    let deadline = Instant::now() + PATIENCE;
    // One connection may not be enough: one that is accepted at once begins nothing.
    while cluster.log().matching(&killed).is_empty() {
        assert!(Instant::now() < deadline, "it is not found");
        assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    }
}

#[test]
fn time_in_which_the_watcher_was_stopped_counts_towards_no_limit() {
    let directory = tempfile::tempdir().unwrap();
    let over = directory.path().join("over");
    let cluster = Cluster::ready("-w 2 --hang-timeout 6", "--listen 127.0.0.1:0");
    let before = cluster.workers();
    let (hung, _served) = block_until(&cluster, &over);
    check_answered(ask_many(cluster.address()));
    let who = name(&hung);
    wait_until_silent(&cluster, &who);
    cluster.signal(Signal::STOP);
    // That long it is silent for more than its limit, but for most of it nobody listens.
    thread::sleep(Duration::from_secs(8));
    cluster.signal(Signal::CONT);
    cluster.log().wait_for("the watcher did not run for ");
    // What is left of the limit is longer than a busy machine lets the worker stand still.
    std::fs::write(&over, "").unwrap();
    cluster
        .log()
        .wait_for(&format!("{who} answers again after"));
    assert_eq!(cluster.workers(), before);
}

/// The limits that a stopped watcher is not to count towards, less a second: it does not know to the moment for how long it
/// stood still.
const LIMIT: Duration = Duration::from_secs(3);
/// Longer than that.
const STOPPED: Duration = Duration::from_secs(6);

/// Has the watcher stand still from now on for longer than a limit, which counts from `begin` or later, and checks that
/// whoever is over it is killed only when the watcher has run for that long.
fn check_that_it_does_not_count(cluster: &Cluster, begin: Instant, killed: &str) {
    let position = cluster.log().position();
    cluster.signal(Signal::STOP);
    let ran = begin.elapsed();
    thread::sleep(STOPPED);
    assert_eq!(cluster.log().matching(killed).len(), 0, "too early");
    let runs_again = Instant::now();
    cluster.signal(Signal::CONT);
    let after = cluster.log().arrival_after(position, killed) - runs_again;
    println!("{killed}: {after:?} after the watcher went on, {ran:?} before");
    assert!(ran + after > LIMIT, "{killed}: {ran:?}, {after:?}");
}

#[test]
fn time_in_which_the_watcher_was_stopped_does_not_count_towards_the_boot_timeout() {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    std::fs::write(&release, "v1 hangs-at-boot").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let begin = Instant::now();
    let cluster = Cluster::start("-w 1 --boot-timeout 4", &arguments);
    cluster.log().wait_for("err  release v1 hangs");
    check_that_it_does_not_count(&cluster, begin, "did not come up within 4 s and is killed");
}

#[test]
fn time_in_which_the_watcher_was_stopped_does_not_count_towards_the_shutdown_timeout() {
    // It knows no link, so that only the watcher knows its deadline: a worker that does leaves by its own clock.
    let mut command = Cluster::command("-w 1 --shutdown-timeout 4".split_whitespace());
    let script = "trap '' TERM; echo deaf; while :; do sleep 1; done";
    command.args(["--", "sh", "-c", script]);
    let cluster = Cluster::spawn(command);
    cluster.log().wait_for("out  deaf");
    let begin = Instant::now();
    cluster.signal(Signal::TERM);
    cluster.log().wait_for("stopping: every worker drains");
    check_that_it_does_not_count(&cluster, begin, "has not drained within 4 s and is killed");
}

#[test]
fn a_program_ends_for_a_thread_that_cannot_be_ended_if_it_is_to() {
    let options = "-w 2 --hang-timeout 4 --exit-on-abandoned-thread";
    let mut cluster = Kind::Threads.ready(options, "--listen 127.0.0.1:0");
    let (hung, _served) = spin_one(&cluster);
    check_answered(ask_many(cluster.address()));
    let who = name(&hung);
    cluster.log().wait_for(&format!("{who} ended: abandoned"));
    cluster
        .log()
        .wait_for(&format!("{who} hangs, and its thread cannot be ended"));
    assert_eq!(cluster.wait(), Exit::Code(9));
    let told = "stopped because the thread of worker";
    cluster.log().wait_for(told);
}
