//! Exact placement: which worker gets a connection when the watcher accepts and passes them on.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

use everport_tests::{
    Cluster, Exit, Kind, PATIENCE, WorkerSeen, for_each_kind, get, get_unix, has_ipv6,
};
use rustix::process::Signal;

use crate::waiting::{ask_many, block_one, check_answered};

for_each_kind!(
    each_worker_gets_its_turn_exactly,
    connections_that_are_kept_go_where_fewest_are_open,
    with_fewest_one_that_has_just_started_gets_the_next_until_it_has_as_many,
    ipv6_is_dispatched_as_well,
    a_unix_socket_is_dispatched_when_that_is_asked_for,
);
#[cfg(target_os = "linux")]
for_each_kind!(a_socket_that_was_passed_in_is_dispatched_and_stays_its_owners);
#[cfg(all(target_os = "linux", not(everport_portable)))]
for_each_kind!(
    turns_are_exact_without_one_that_stands_still_and_with_its_successors,
    what_has_no_worker_yet_waits_for_the_first_that_comes_up,
);

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

fn each_worker_gets_its_turn_exactly(kind: Kind) {
    let cluster = kind.ready(
        "-w 4 --share dispatch --log-level debug",
        "--listen 127.0.0.1:0",
    );
    cluster.log().wait_for("(dispatch)");
    let address = cluster.address();
    check_exact(&cluster, 100, || {
        (0..400).map(|_| get(address, "/").worker()).collect()
    });
    check_exact(&cluster, 100, || ask_at_once(address));
}

/// Those who ask are answered by each worker so many times.
fn check_exact(cluster: &Cluster, share: u64, ask: impl Fn() -> Vec<u64>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = count(ask());
        if seen == exactly(share, &cluster.workers()) {
            return;
        }
        // On a busy machine a worker may not answer for so long that others get what waits for it.
        let late = cluster.log().matching("has not answered for");
        assert!(!late.is_empty(), "nobody was late: {seen:?}");
        assert!(Instant::now() < deadline, "{seen:?}: {late:?}");
    }
}

/// Eight clients that ask 50 times each; who answered.
fn ask_at_once(address: SocketAddr) -> Vec<u64> {
    let ask = move || -> Vec<u64> { (0..50).map(|_| get(address, "/").worker()).collect() };
    let clients: Vec<_> = (0..8).map(|_| std::thread::spawn(ask)).collect();
    let answers = clients.into_iter().map(|client| client.join().unwrap());
    answers.flatten().collect()
}

/// One of the workers stands still, as long as what is returned lives: a process is stopped, a thread hangs.
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn stand_still(kind: Kind, cluster: &Cluster) -> (WorkerSeen, Option<TcpStream>) {
    match kind {
        Kind::Processes => {
            let stopped = *cluster.workers().last().unwrap();
            stopped.signal(Signal::STOP);
            cluster.log().wait_for("was stopped by a signal");
            (stopped, None)
        }
        Kind::Threads => {
            let (hangs, request) = block_one(cluster);
            // That it is late is found out by those who come.
            check_answered(ask_many(cluster.address()));
            cluster.log().wait_for("has not answered for");
            (hangs, Some(request))
        }
    }
}

#[cfg(all(target_os = "linux", not(everport_portable)))]
fn turns_are_exact_without_one_that_stands_still_and_with_its_successors(kind: Kind) {
    let options = "-w 4 --settle 0 --share dispatch --shutdown-timeout 2 --log-level debug";
    let cluster = kind.ready(options, "--listen 127.0.0.1:0");
    let before = cluster.workers();
    let (still, _request) = stand_still(kind, &cluster);
    let others = before.iter().filter(|seen| **seen != still);
    let others: Vec<WorkerSeen> = others.copied().collect();
    check_turns(&cluster, &others);
    if kind == Kind::Processes {
        still.signal(Signal::KILL);
        cluster.log().wait_for_many(5, "is ready after");
    }
    cluster.restart();
    // The last of the old ones is a thread that is abandoned.
    let deadline = Instant::now() + PATIENCE;
    while cluster.workers().len() > 4 {
        assert!(Instant::now() < deadline, "{:?}", cluster.workers());
        std::thread::yield_now();
    }
    check_turns(&cluster, &cluster.workers());
}

/// Asks one time after the other until each of the workers has had its share exactly. On a busy machine a worker may not
/// answer for so long that others get what waits for it; that is told, and the only excuse.
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn check_turns(cluster: &Cluster, workers: &[WorkerSeen]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let requests = 0..100 * workers.len();
        let seen = count(requests.map(|_| get(cluster.address(), "/").worker()));
        if seen == exactly(100, workers) {
            return;
        }
        assert!(Instant::now() < deadline, "{seen:?}");
        cluster.log().wait_for("has not answered for");
    }
}

/// Checks clusters one after the other until nobody was late in one: that is told, and the only excuse.
fn until_nobody_is_late(
    kind: Kind,
    options: &str,
    check: impl Fn(&Cluster) -> Result<(), Misplaced>,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let options = format!("{options} --share dispatch --placement fewest --log-level debug");
        let cluster = kind.ready(&options, "--listen 127.0.0.1:0");
        let Err(misplaced) = check(&cluster) else {
            return;
        };
        let late = cluster.log().matching("has not answered for");
        assert!(!late.is_empty(), "nobody was late: {misplaced:?}");
        assert!(Instant::now() < deadline, "{misplaced:?}: {late:?}");
    }
}

/// Who had how many connections, and should have had.
#[derive(Debug)]
struct Misplaced {
    _seen: BTreeMap<u64, u64>,
    _expected: BTreeMap<u64, u64>,
}

fn check_placed(kept: &[Kept], expected: BTreeMap<u64, u64>) -> Result<(), Misplaced> {
    let seen = count(kept.iter().map(|kept| kept.worker));
    match seen == expected {
        true => Ok(()),
        false => Err(Misplaced {
            _seen: seen,
            _expected: expected,
        }),
    }
}

fn connections_that_are_kept_go_where_fewest_are_open(kind: Kind) {
    until_nobody_is_late(kind, "-w 4", check_where_fewest_are_open);
}

fn check_where_fewest_are_open(cluster: &Cluster) -> Result<(), Misplaced> {
    let address = cluster.address();
    let mut kept: Vec<Kept> = (0..40).map(|_| Kept::open(address)).collect();
    let workers = cluster.workers();
    check_placed(&kept, exactly(10, &workers))?;
    // One worker's clients go. Once the watcher knows, it gets all that come until it has as many as the others.
    let left = workers[2].worker;
    kept.retain(|kept| kept.worker != left);
    while get(address, "/").worker() != left {}
    let next = (0..8).map(|_| Kept::open(address));
    let next: Vec<Kept> = next.collect();
    check_placed(&next, BTreeMap::from([(left, 8)]))?;
    drop(kept);
    for kept in next {
        assert!(kept.connection.peer_addr().is_ok());
    }
    Ok(())
}

fn with_fewest_one_that_has_just_started_gets_the_next_until_it_has_as_many(kind: Kind) {
    until_nobody_is_late(kind, "-w 2 --settle 0", check_one_that_has_just_started);
}

fn check_one_that_has_just_started(cluster: &Cluster) -> Result<(), Misplaced> {
    let address = cluster.address();
    let kept: Vec<Kept> = (0..8).map(|_| Kept::open(address)).collect();
    let [victim, other] = cluster.workers()[..] else {
        panic!("not two workers");
    };
    check_placed(&kept, exactly(4, &[victim, other]))?;
    cluster.crash(victim);
    cluster.log().wait_for_many(3, "is ready after");
    let workers = cluster.workers();
    let started = workers.iter().find(|seen| **seen != other).unwrap();
    let next: Vec<Kept> = (0..4).map(|_| Kept::open(address)).collect();
    check_placed(&next, exactly(4, &[*started]))?;
    // From then on they take turns.
    let later: Vec<Kept> = (0..4).map(|_| Kept::open(address)).collect();
    check_placed(&later, exactly(2, &workers))
}

#[cfg(all(target_os = "linux", not(everport_portable)))]
fn what_has_no_worker_yet_waits_for_the_first_that_comes_up(kind: Kind) {
    // A thread that hangs is given up on; a process is killed here.
    let options = match kind {
        Kind::Processes => "-w 1 --share dispatch",
        Kind::Threads => "-w 1 --share dispatch --hang-timeout 4",
    };
    let cluster = kind.ready(options, "--listen 127.0.0.1:0");
    let only = cluster.workers()[0];
    let _request = match kind {
        Kind::Processes => {
            only.signal(Signal::STOP);
            cluster.log().wait_for("was stopped by a signal");
            None
        }
        Kind::Threads => Some(block_one(&cluster)),
    };
    // More than a channel holds: the rest waits in the kernel.
    let waiting = ask_many(cluster.address());
    if kind == Kind::Processes {
        only.signal(Signal::KILL);
    }
    check_answered(waiting);
}

fn ipv6_is_dispatched_as_well(kind: Kind) {
    if !has_ipv6() {
        return;
    }
    let options = "-w 2 --share dispatch --log-level debug";
    let cluster = kind.ready(options, "--listen [::1]:0");
    let ask = || (0..20).map(|_| get(cluster.address(), "/").worker());
    check_exact(&cluster, 10, || ask().collect());
}

fn a_unix_socket_is_dispatched_when_that_is_asked_for(kind: Kind) {
    let directory = everport_tests::socket_directory();
    let path = directory.path().join("socket");
    let options = "-w 2 --settle 0 --share dispatch --log-level debug";
    let cluster = kind.ready(options, &format!("--unix {}", path.display()));
    let turns = || (0..20).map(|_| get_unix(&path, "/").worker()).collect();
    check_exact(&cluster, 10, turns);
    cluster.restart();
    cluster.log().wait_for_many(2, kind.ended());
    check_exact(&cluster, 10, turns);
    assert_eq!(cluster.stop(), Exit::Code(0));
    assert!(!path.exists());
}

#[cfg(target_os = "linux")]
fn a_socket_that_was_passed_in_is_dispatched_and_stays_its_owners(kind: Kind) {
    use std::os::fd::AsFd;

    use everport_tests::{loopback_socket, with_sockets};

    let (web, address) = loopback_socket();
    let options = "-w 2 --share dispatch --log-level debug";
    let command = kind.command(options, &format!("--listen {address}"));
    let cluster = Cluster::spawn(with_sockets(&command, &[("web", web.as_fd())]));
    cluster.wait_until_ready();
    cluster.log().wait_for("(dispatch, passed in as \"web\")");
    let ask = || (0..20).map(|_| get(address, "/").worker());
    check_exact(&cluster, 10, || ask().collect());
    assert_eq!(cluster.stop(), Exit::Code(0));
    let _client = TcpStream::connect(address).unwrap();
    web.set_nonblocking(false).unwrap();
    assert!(web.accept().is_ok(), "it waits for whoever comes next");
}

/// Processes only: a thread has the watcher's descriptors within reach.
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

/// Processes only: what reports for a thread is this program's own code, no stranger.
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
