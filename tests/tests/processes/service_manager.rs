//! What the watcher tells its service manager.

use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;

use everport_tests::{Cluster, Deployment, Exit, Kind, Log, for_each_kind, notifications, program};
use rustix::process::Signal;
use rustix::time::{ClockId, clock_gettime};

for_each_kind!(a_start_a_rollout_and_a_stop_are_told);

fn command(options: &str, arguments: &str) -> Command {
    Kind::Processes.command(options, arguments)
}

/// Starts the command with a service manager that listens at a path.
fn told_at_a_path(mut command: Command, directory: &Path) -> (Cluster, Log) {
    let path = directory.join("notify");
    let told = notifications(UnixDatagram::bind(&path).unwrap());
    command.env("NOTIFY_SOCKET", &path);
    (Cluster::spawn(command), told)
}

/// Starts a cluster, and waits until the service manager knows that it is ready.
fn ready(command: Command, directory: &Path) -> (Cluster, Log) {
    let (cluster, told) = told_at_a_path(command, directory);
    told.wait_for("READY=1");
    (cluster, told)
}

fn monotonic_microseconds() -> i64 {
    let now = clock_gettime(ClockId::Monotonic);
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// The value of one of a message's parts.
fn value<'a>(message: &'a str, key: &str) -> Option<&'a str> {
    message
        .split(" | ")
        .find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
}

/// What the service manager acts upon, in the order in which it was told.
fn steps(told: &Log) -> Vec<String> {
    let step = |line: &String| line.split(" | ").next().map(str::to_owned);
    let is_step = |part: &String| !part.starts_with("STATUS") && !part.starts_with("EXTEND");
    told.lines()
        .iter()
        .filter_map(step)
        .filter(is_step)
        .collect()
}

fn a_start_a_rollout_and_a_stop_are_told(kind: Kind) {
    let directory = everport_tests::socket_directory();
    let command = kind.command("-w 2 --settle 0", "--listen 127.0.0.1:0");
    let (cluster, told) = ready(command, directory.path());
    let line = told.wait_for("READY=1");
    assert_eq!(
        value(&line, "STATUS"),
        Some("2 of 2 workers ready, generation 1")
    );
    let before = monotonic_microseconds();
    cluster.restart();
    let line = told.wait_for("RELOADING=1");
    let since: i64 = value(&line, "MONOTONIC_USEC").unwrap().parse().unwrap();
    assert!(
        (before..=monotonic_microseconds()).contains(&since),
        "{line}"
    );
    told.wait_for_many(2, "READY=1");
    told.wait_for("STATUS=2 of 2 workers ready, generation 2");
    // Old ones that still drain count as left, too.
    cluster.log().wait_for_many(2, kind.ended());
    assert_eq!(cluster.stop(), Exit::Code(0));
    let line = told.wait_for("STOPPING=1");
    assert_eq!(value(&line, "STATUS"), Some("draining: 2 workers left"));
    // 30 s to drain, and a margin.
    assert_eq!(value(&line, "EXTEND_TIMEOUT_USEC"), Some("35000000"));
    assert_eq!(
        steps(&told),
        ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]
    );
}

#[test]
fn a_service_manager_that_listens_late_learns_that_the_cluster_is_ready() {
    let directory = everport_tests::socket_directory();
    let path = directory.path().join("notify");
    let mut command = command("-w 1", "--listen 127.0.0.1:0");
    command.env("NOTIFY_SOCKET", &path);
    let cluster = Cluster::spawn(command);
    cluster.log().wait_for("the cluster is ready");
    cluster
        .log()
        .wait_for("cannot tell the service manager how the cluster is");
    // Nothing happens any more that could be told with it.
    let told = notifications(UnixDatagram::bind(&path).unwrap());
    let line = told.wait_for("READY=1");
    assert_eq!(
        value(&line, "STATUS"),
        Some("1 of 1 worker ready, generation 1")
    );
    // The service manager makes its socket anew.
    std::fs::remove_file(&path).unwrap();
    let told = notifications(UnixDatagram::bind(&path).unwrap());
    assert_eq!(cluster.stop(), Exit::Code(0));
    told.wait_for("STOPPING=1");
}

#[test]
fn an_abstract_address_is_as_good_as_a_path() {
    let name = format!("everport-notify-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let told = notifications(UnixDatagram::bind_addr(&address).unwrap());
    let mut command = command("-w 1", "--listen 127.0.0.1:0");
    command.env("NOTIFY_SOCKET", format!("@{name}"));
    let cluster = Cluster::spawn(command);
    told.wait_for("READY=1");
    assert_eq!(cluster.stop(), Exit::Code(0));
    told.wait_for("STOPPING=1");
}

#[test]
fn a_rollout_that_aborts_leaves_nobody_waiting_for_it() {
    let directory = everport_tests::socket_directory();
    let deployment = Deployment::of("v1");
    let mut command = Cluster::command(["-w", "2", "--settle", "0"]);
    command
        .arg("--")
        .arg(deployment.path())
        .args(["--listen", "127.0.0.1:0"]);
    let (cluster, told) = ready(command, directory.path());
    deployment.put("v2 crashes-at-boot");
    cluster.signal(Signal::USR1);
    told.wait_for_many(2, "READY=1");
    told.wait_for("2 of 2 workers ready, generation 1, rollout to generation 2 aborted");
    assert_eq!(steps(&told), ["READY=1", "RELOADING=1", "READY=1"]);
}

#[test]
fn a_restart_that_comes_during_a_rollout_is_waited_for_too() {
    let directory = everport_tests::socket_directory();
    let command = command("-w 1 --settle 1", "--listen 127.0.0.1:0");
    let (cluster, told) = ready(command, directory.path());
    cluster.signal(Signal::USR1);
    told.wait_for("RELOADING=1");
    cluster.signal(Signal::USR1);
    told.wait_for_many(2, "RELOADING=1");
    told.wait_for_many(2, "READY=1");
    told.wait_for("STATUS=1 of 1 worker ready, generation 3");
    let steps = steps(&told);
    assert_eq!(
        steps,
        [
            "READY=1",
            "RELOADING=1",
            "RELOADING=1",
            "RELOADING=1",
            "READY=1"
        ]
    );
}

#[test]
fn a_forced_stop_is_told_once() {
    let directory = everport_tests::socket_directory();
    let command = command("-w 2", "--listen 127.0.0.1:0");
    let (mut cluster, told) = ready(command, directory.path());
    cluster.signal(Signal::QUIT);
    assert_eq!(cluster.wait(), Exit::Code(8));
    told.wait_for("stopping by force");
    assert_eq!(steps(&told), ["READY=1", "STOPPING=1"]);
}

#[test]
fn a_stop_that_is_forced_later_is_told_once() {
    let directory = everport_tests::socket_directory();
    let release = directory.path().join("release");
    fs::write(&release, "v1 ignores-drain").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let (mut cluster, told) = ready(
        command("-w 1 --drain-delay 60", &arguments),
        directory.path(),
    );
    cluster.signal(Signal::TERM);
    let line = told.wait_for("STOPPING=1");
    assert_eq!(value(&line, "STATUS"), Some("leaving: 1 of 1 worker ready"));
    // The delay, 30 s to drain, and a margin.
    assert_eq!(value(&line, "EXTEND_TIMEOUT_USEC"), Some("95000000"));
    // A restart is refused now, and nobody is told of a reload that would never end.
    cluster.signal(Signal::USR1);
    cluster
        .log()
        .wait_for("restart asked for although the cluster stops");
    cluster.signal(Signal::QUIT);
    assert_eq!(cluster.wait(), Exit::Code(8));
    told.wait_for("stopping by force");
    assert_eq!(steps(&told), ["READY=1", "STOPPING=1"]);
}

#[test]
fn a_cluster_that_never_gets_ready_is_told_to_stop_only() {
    let directory = everport_tests::socket_directory();
    let release = directory.path().join("release");
    fs::write(&release, "v1 crashes-at-boot").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let (mut cluster, told) = told_at_a_path(command("-w 1", &arguments), directory.path());
    assert_eq!(cluster.wait(), Exit::Code(3));
    told.wait_for("giving up, no worker was ever ready");
    assert_eq!(steps(&told), ["STOPPING=1"]);
}

/// Two workers: the first one serves, and every other one does this instead.
fn with_one_that_serves(options: &[&str], others: &str, directory: &Path) -> (Cluster, Log) {
    let script = format!(
        "mkdir {} 2>/dev/null && exec {} --listen 127.0.0.1:0; {others}",
        directory.join("taken").display(),
        program("test-worker").display()
    );
    let mut command = Cluster::command(["-w", "2"]);
    command.args(options).args(["--", "sh", "-c", &script]);
    ready(command, directory)
}

#[test]
fn a_slot_that_is_crash_looping_does_not_make_the_start_fail() {
    let directory = everport_tests::socket_directory();
    let (cluster, told) = with_one_that_serves(&[], "exit 1", directory.path());
    let line = told.wait_for("READY=1");
    let status = value(&line, "STATUS").unwrap();
    assert!(
        status.starts_with("1 of 2 workers ready, generation 1, slot "),
        "{line}"
    );
    told.wait_for(" is crash-looping");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_slot_that_is_not_ready_in_time_does_not_make_the_start_fail() {
    let directory = everport_tests::socket_directory();
    let options = ["--boot-timeout", "5"];
    let (cluster, told) = with_one_that_serves(&options, "exec sleep 600", directory.path());
    let line = told.wait_for("READY=1");
    let status = value(&line, "STATUS").unwrap();
    assert!(status.ends_with(" does not come up"), "{line}");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn the_watchdog_is_fed_while_the_loop_turns_and_only_if_it_is_ours() {
    let directory = everport_tests::socket_directory();
    let mut ours = command("-w 1", "--listen 127.0.0.1:0");
    ours.env("WATCHDOG_USEC", "100000");
    let (cluster, told) = ready(ours, directory.path());
    told.wait_for_many(10, "WATCHDOG=1");
    drop(cluster);
    let directory = everport_tests::socket_directory();
    let mut theirs = command("-w 1 --settle 0.3", "--listen 127.0.0.1:0");
    theirs
        .env("WATCHDOG_USEC", "100000")
        .env("WATCHDOG_PID", "1");
    let (cluster, told) = ready(theirs, directory.path());
    cluster.restart();
    told.wait_for_many(2, "READY=1");
    assert_eq!(told.matching("WATCHDOG=1"), [""; 0]);
}

#[test]
fn a_service_manager_that_does_not_read_holds_up_nothing() {
    let directory = everport_tests::socket_directory();
    let path = directory.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    // Its queue is full before the cluster starts.
    let filler = UnixDatagram::unbound().unwrap();
    filler.set_nonblocking(true).unwrap();
    while filler.send_to(b"FILLED=1", &path).is_ok() {}
    let mut command = command("-w 2 --settle 0", "--listen 127.0.0.1:0");
    command.env("NOTIFY_SOCKET", &path);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    cluster.restart();
    let told = notifications(socket);
    // What it has missed comes in order once it reads.
    told.wait_for_many(2, "READY=1");
    assert_eq!(cluster.stop(), Exit::Code(0));
    told.wait_for("STOPPING=1");
    let mut steps = steps(&told);
    steps.retain(|step| step != "FILLED=1");
    assert_eq!(steps, ["READY=1", "RELOADING=1", "READY=1", "STOPPING=1"]);
}

#[test]
fn a_service_manager_that_is_not_there_is_complained_of_once() {
    let mut command = command("-w 1 --settle 0", "--listen 127.0.0.1:0");
    command.env("NOTIFY_SOCKET", "/nonexistent/notify");
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    cluster.restart();
    let log = cluster.log().clone();
    assert_eq!(cluster.stop(), Exit::Code(0));
    let complaints = log.matching("cannot tell the service manager how the cluster is: ");
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(
        complaints[0].contains("/nonexistent/notify"),
        "{complaints:?}"
    );
}
