//! Exact placement: which worker gets a connection when the watcher accepts and passes them on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Instant;

use everport_tests::{
    Cluster, Exit, PATIENCE, WorkerSeen, get, get_unix, loopback_socket, program, with_sockets,
};
use rustix::process::Signal;

use crate::waiting::{ask_many, check_answered};

/// How many connections each worker answered, by its number.
fn count(workers: impl IntoIterator<Item = u64>) -> BTreeMap<u64, u64> {
    let mut counts = BTreeMap::new();
    for worker in workers {
        *counts.entry(worker).or_default() += 1;
    }
    counts
}

fn exactly(share: u64, workers: &[WorkerSeen]) -> BTreeMap<u64, u64> {
    let shares = workers.iter().map(|seen| (seen.worker, share));
    shares.collect()
}

/// A connection that its client keeps, and the worker that has it.
struct Kept {
    connection: TcpStream,
    worker: u64,
}

impl Kept {
    fn open(address: SocketAddr) -> Self {
        let mut connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(connection, "GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut reader = BufReader::new(&connection);
        let mut worker = None;
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            let line = line.trim_end();
            if line.is_empty() {
                break;
            }
            worker = line
                .strip_prefix("x-worker: ")
                .map(|worker| worker.parse().unwrap())
                .or(worker);
        }
        let worker = worker.expect("an answer names its worker");
        Self { connection, worker }
    }
}

#[test]
fn each_worker_gets_its_turn_exactly() {
    let cluster = Cluster::ready(
        "-w 4 --share dispatch --log-level debug",
        "--listen 127.0.0.1:0",
    );
    cluster.log().wait_for("(dispatch)");
    let address = cluster.address();
    let one_by_one = count((0..400).map(|_| get(address, "/").worker()));
    assert_eq!(one_by_one, exactly(100, &cluster.workers()));
    let deadline = Instant::now() + PATIENCE;
    while count(ask_at_once(address)) != exactly(100, &cluster.workers()) {
        // On a busy machine a worker may not answer for so long that others get what waits for it.
        let late = cluster.log().matching("has not answered for");
        assert!(!late.is_empty(), "nobody was late");
        assert!(Instant::now() < deadline, "{late:?}");
    }
}

/// Eight clients that ask 50 times each; who answered.
fn ask_at_once(address: SocketAddr) -> Vec<u64> {
    let ask = move || -> Vec<u64> { (0..50).map(|_| get(address, "/").worker()).collect() };
    let clients: Vec<_> = (0..8).map(|_| std::thread::spawn(ask)).collect();
    let answers = clients.into_iter().map(|client| client.join().unwrap());
    answers.flatten().collect()
}

#[test]
fn turns_are_exact_without_a_stopped_worker_and_with_its_successors() {
    let cluster = Cluster::ready("-w 4 --settle 0 --share dispatch", "--listen 127.0.0.1:0");
    let address = cluster.address();
    let stopped = cluster.workers()[1];
    stopped.signal(Signal::STOP);
    cluster.log().wait_for("was stopped by a signal");
    let others = cluster.workers().into_iter();
    let others: Vec<WorkerSeen> = others.filter(|seen| *seen != stopped).collect();
    let seen = count((0..300).map(|_| get(address, "/").worker()));
    assert_eq!(seen, exactly(100, &others));
    stopped.signal(Signal::KILL);
    cluster.log().wait_for_many(5, "is ready after");
    cluster.restart();
    cluster.log().wait_for_many(4, "ended: exited");
    let seen = count((0..400).map(|_| get(address, "/").worker()));
    assert_eq!(seen, exactly(100, &cluster.workers()));
}

#[test]
fn connections_that_are_kept_go_where_fewest_are_open() {
    let options = "-w 4 --share dispatch --placement fewest";
    let cluster = Cluster::ready(options, "--listen 127.0.0.1:0");
    let address = cluster.address();
    let mut kept: Vec<Kept> = (0..40).map(|_| Kept::open(address)).collect();
    let workers = cluster.workers();
    let seen = count(kept.iter().map(|kept| kept.worker));
    assert_eq!(seen, exactly(10, &workers));
    // One worker's clients go. Once the watcher knows, it gets all that come until it has as many as the others.
    let left = workers[2].worker;
    kept.retain(|kept| kept.worker != left);
    while get(address, "/").worker() != left {}
    let next = (0..8).map(|_| Kept::open(address));
    let next: Vec<Kept> = next.collect();
    let seen = count(next.iter().map(|kept| kept.worker));
    assert_eq!(seen, BTreeMap::from([(left, 8)]));
    drop(kept);
    for kept in next {
        assert!(kept.connection.peer_addr().is_ok());
    }
}

#[test]
fn with_fewest_one_that_has_just_started_gets_the_next_until_it_has_as_many() {
    let options = "-w 2 --settle 0 --share dispatch --placement fewest";
    let cluster = Cluster::ready(options, "--listen 127.0.0.1:0");
    let address = cluster.address();
    let kept: Vec<Kept> = (0..8).map(|_| Kept::open(address)).collect();
    let [victim, other] = cluster.workers()[..] else {
        panic!("not two workers");
    };
    assert_eq!(
        count(kept.iter().map(|kept| kept.worker)),
        exactly(4, &[victim, other])
    );
    victim.signal(Signal::KILL);
    cluster.log().wait_for_many(3, "is ready after");
    let workers = cluster.workers();
    let started = workers.iter().find(|seen| **seen != other).unwrap();
    let next: Vec<Kept> = (0..4).map(|_| Kept::open(address)).collect();
    let seen = count(next.iter().map(|kept| kept.worker));
    assert_eq!(seen, exactly(4, &[*started]));
    // From then on they take turns.
    let later: Vec<Kept> = (0..4).map(|_| Kept::open(address)).collect();
    let seen = count(later.iter().map(|kept| kept.worker));
    assert_eq!(seen, exactly(2, &workers));
}

#[test]
fn what_has_no_worker_yet_waits_for_the_first_that_comes_up() {
    let cluster = Cluster::ready("-w 1 --share dispatch", "--listen 127.0.0.1:0");
    cluster.workers()[0].signal(Signal::STOP);
    cluster.log().wait_for("was stopped by a signal");
    // More than a channel holds: the rest waits in the kernel.
    let waiting = ask_many(cluster.address());
    cluster.workers()[0].signal(Signal::KILL);
    check_answered(waiting);
}

#[test]
fn ipv6_is_dispatched_as_well() {
    let cluster = Cluster::ready("-w 2 --share dispatch", "--listen [::1]:0");
    let seen = count((0..20).map(|_| get(cluster.address(), "/").worker()));
    assert_eq!(seen, exactly(10, &cluster.workers()));
}

#[test]
fn a_unix_socket_is_dispatched_when_that_is_asked_for() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let options = "-w 2 --settle 0 --share dispatch";
    let cluster = Cluster::ready(options, &format!("--unix {}", path.display()));
    let turns = |path: &Path| count((0..20).map(|_| get_unix(path, "/").worker()));
    assert_eq!(turns(&path), exactly(10, &cluster.workers()));
    cluster.restart();
    cluster.log().wait_for_many(2, "ended: exited");
    assert_eq!(turns(&path), exactly(10, &cluster.workers()));
    assert_eq!(cluster.stop(), Exit::Code(0));
    assert!(!path.exists());
}

#[test]
#[cfg(target_os = "linux")]
fn a_socket_that_was_passed_in_is_dispatched_and_stays_its_owners() {
    let (web, address) = loopback_socket();
    let mut command = Cluster::command("-w 2 --share dispatch".split_whitespace());
    command.arg("--").arg(program("test-worker"));
    command.args(["--listen", &address.to_string()]);
    let cluster = Cluster::spawn(with_sockets(&command, &[("web", web.as_fd())]));
    cluster.wait_until_ready();
    cluster.log().wait_for("(dispatch, passed in as \"web\")");
    let seen = count((0..20).map(|_| get(address, "/").worker()));
    assert_eq!(seen, exactly(10, &cluster.workers()));
    assert_eq!(cluster.stop(), Exit::Code(0));
    let _client = TcpStream::connect(address).unwrap();
    web.set_nonblocking(false).unwrap();
    assert!(web.accept().is_ok(), "it waits for whoever comes next");
}

#[test]
fn a_worker_that_shuts_everything_down_harms_nobody_but_itself() {
    let cluster = Cluster::ready("-w 2 --share dispatch", "--listen 127.0.0.1:0");
    let address = cluster.address();
    // It has no listening socket to shut down.
    assert_eq!(get(address, "/shutdown").body, "shut down");
    for _ in 0..20 {
        assert_eq!(get(address, "/").body, "Hello, World!");
    }
    assert_eq!(cluster.log().matching("shut down by a worker").len(), 0);
}

#[test]
fn a_worker_that_reports_what_cannot_be_loses_its_link_and_nobody_else_anything() {
    for rudeness in [
        "report-of-garbage",
        "report-of-too-many",
        "channel-shut-down",
    ] {
        let arguments = format!("--rude {rudeness}");
        let cluster = Cluster::start("-w 1 --share dispatch --shutdown-timeout 0.3", &arguments);
        cluster.log().wait_for("its channel for 127.0.0.1:");
        cluster.log().wait_for_many(2, "started: pid");
    }
}
