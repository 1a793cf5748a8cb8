//! A reader of the log that is stuck stops nothing, and what it missed is counted once it reads again.

use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::time::Instant;

use everport_tests::{Cluster, Log, PATIENCE, get_unix, program};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// More than the pipe, the log's queue and all rings hold.
const MANY: u64 = 200_000;

#[test]
fn workers_and_control_go_on_and_every_record_is_told_or_counted() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let mut command = Cluster::command(["-w", "1", "--settle", "0", "--log-format", "json"]);
    command.arg("--").arg(program("test-worker"));
    command.arg("--logging").arg("--unix").arg(&socket);
    let mut watcher = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let unread = watcher.stdout.take().unwrap();
    wait_until("it listens", || UnixStream::connect(&socket).is_ok());
    let flood = get_unix(&socket, &format!("/log?records={MANY}&bytes=100&wait=1"));
    assert_eq!((flood.body.as_str(), flood.worker()), ("logging", 1));
    // Serving and restarting go on while nobody reads.
    signal(&watcher, Signal::USR1);
    wait_until("it is restarted", || get_unix(&socket, "/").worker() == 2);
    let log = Log::default();
    log.follow(unread);
    assert_eq!(get_unix(&socket, "/log?records=1&wait=1").body, "logging");
    let is_newest = |line: &String| line.contains(r#""worker":2"#) && line.contains("numbered");
    log.wait_until("the newest record", |lines| {
        lines.iter().any(is_newest).then_some(())
    });
    signal(&watcher, Signal::TERM);
    log.wait_for_end(1);
    assert!(watcher.wait().unwrap().success());
    let entries = log.lines();
    let entries = entries
        .iter()
        .map(|line| serde_json::from_str(line).unwrap());
    let of_first: Vec<Value> = entries
        .filter(|entry: &Value| entry["worker"] == 1)
        .collect();
    let numbered = of_first
        .iter()
        .filter(|entry| entry["target"] == "numbered");
    let told = numbered.count() as u64;
    let counts = of_first.iter().filter(|entry| entry["kind"] == "lost");
    let lost: u64 = counts.map(|entry| entry["count"].as_u64().unwrap()).sum();
    assert_eq!(told + lost, MANY);
    assert!(told > 0 && lost > 0, "{told} told, {lost} lost");
}

fn signal(watcher: &Child, signal: Signal) {
    kill_process(Pid::from_child(watcher), signal).unwrap();
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "never: {what}");
        std::thread::yield_now();
    }
}
