//! New connections while one of four workers does not serve.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use everport_load::{Load, Report, RunningLoad};
use everport_tests::{
    Cluster, Kind, PATIENCE, Stalls, check_share, for_each_kind, get, take_turn, unless_spoilt,
};
use rustix::process::Signal;

use crate::go_on;

const RATE: u32 = 200;
/// About as many as come in two and a half seconds.
const FAULT: u64 = 500;
/// What no client waits for when others take over, on top of what the machine itself lets it wait. The benchmarks show how
/// short the wait really is: 50 ms at most.
const BOUND: Duration = Duration::from_secs(1);
/// What hardly anybody waits for, and how many may when the machine itself stands still for a moment. All clients
/// wait for a worker that is found to be unwell only after a second or two.
const LONG: Duration = Duration::from_millis(250);
const FEW: usize = 4;
const CLIENTS: usize = 8;
for_each_kind!(
    nobody_waits_for_a_worker_that_hangs_by_reuseport,
    nobody_waits_for_a_worker_that_hangs_by_transfer,
    nobody_waits_for_a_worker_that_hangs_by_dispatch,
    nobody_waits_for_a_slot_in_back_off_by_reuseport,
    a_worker_that_hangs_for_good_costs_only_what_it_served_by_reuseport,
    a_worker_that_hangs_for_good_costs_only_what_it_served_by_transfer,
    a_worker_that_hangs_for_good_costs_only_what_it_served_by_dispatch,
);

/// A load, and what the machine does to it.
struct Watched {
    load: RunningLoad,
    stalls: Stalls,
}

impl Watched {
    fn go_on(&self, requests: u64) {
        go_on(&self.load, requests);
    }

    /// Nobody failed, and nobody waited but `served`, whose requests the worker had when it stopped serving.
    fn check(self, served: usize) -> Result<(), String> {
        let report = self.load.stop();
        assert_eq!(report.failed(), 0, "{report}");
        check_waits(&report, served, self.stalls.allowance())
    }
}

fn load(cluster: &Cluster) -> Watched {
    let stalls = Stalls::watch();
    let load = Load::new(cluster.address())
        .clients(CLIENTS)
        .one_shot()
        .rate(RATE)
        .expect_body("Hello, World!")
        .timeout(PATIENCE)
        .traces(usize::MAX)
        .duration(PATIENCE * 10)
        .start()
        .expect("the load starts");
    go_on(&load, 100);
    Watched { load, stalls }
}

/// Counts from when a request was sent: one that was not sent in time is the machine's fault, or waits behind one that
/// counts. An error when somebody waited for too long: for a process that the machine let stand still, if that does not
/// happen again.
fn check_waits(report: &Report, served: usize, allowance: Duration) -> Result<(), String> {
    assert_eq!(report.traces.len() as u64, report.total, "all were kept");
    let above = |bound: Duration| {
        let answered = report.traces.iter().filter(|one| !one.failed);
        let waits = answered.map(|one| one.latency - one.delay);
        waits.filter(|wait| *wait > bound).count()
    };
    let (bound, soon) = (BOUND + allowance, LONG + allowance);
    let (late, long) = (above(bound), above(soon));
    println!("{report}\n{late} waited for more than {bound:?}, {long} for more than {soon:?}");
    match late <= served && long <= served + FEW {
        true => Ok(()),
        false => Err(format!(
            "{late} waited for {bound:?}, {long} for {soon:?}:\n{report}"
        )),
    }
}

/// Processes only: no signal stops a single thread. One that hangs is the same to its clients.
fn nobody_waits_for_a_stopped_worker(share: &str) -> Result<(), String> {
    let _turn = take_turn();
    let cluster = Cluster::ready(&format!("-w 4 --share {share}"), "--listen 127.0.0.1:0");
    let load = load(&cluster);
    let stopped = cluster.workers()[1];
    stopped.signal(Signal::STOP);
    load.go_on(FAULT);
    stopped.signal(Signal::CONT);
    check_share(cluster.address(), stopped.worker, 4);
    load.go_on(100);
    // One that it had just accepted.
    load.check(1)
}

#[test]
fn nobody_waits_for_a_stopped_worker_by_reuseport() {
    unless_spoilt(|| nobody_waits_for_a_stopped_worker("reuseport"));
}

#[test]
fn nobody_waits_for_a_stopped_worker_by_transfer() {
    unless_spoilt(|| nobody_waits_for_a_stopped_worker("transfer"));
}

#[test]
fn nobody_waits_for_a_stopped_worker_by_dispatch() {
    unless_spoilt(|| nobody_waits_for_a_stopped_worker("dispatch"));
}

fn nobody_waits_for_a_worker_that_hangs(kind: Kind, share: &str) -> Result<(), String> {
    let _turn = take_turn();
    let cluster = kind.ready(&format!("-w 4 --share {share}"), "--listen 127.0.0.1:0");
    let load = load(&cluster);
    let address = cluster.address();
    let asking = std::thread::spawn(move || get(address, "/spin?ms=4000"));
    let begins = cluster.log().wait_for("spin begins");
    cluster.log().wait_for("answers again after");
    let hung = asking.join().unwrap().worker();
    let its_mark = match kind {
        Kind::Processes => format!(".{hung} out "),
        Kind::Threads => format!("worker-{hung}"),
    };
    assert!(begins.contains(&its_mark), "{begins}");
    check_share(address, hung, 4);
    load.go_on(100);
    let waited = load.check(1);
    assert_eq!(cluster.log().matching("is killed").len(), 0);
    waited
}

fn nobody_waits_for_a_worker_that_hangs_by_reuseport(kind: Kind) {
    unless_spoilt(|| nobody_waits_for_a_worker_that_hangs(kind, "reuseport"));
}

fn nobody_waits_for_a_worker_that_hangs_by_transfer(kind: Kind) {
    unless_spoilt(|| nobody_waits_for_a_worker_that_hangs(kind, "transfer"));
}

fn nobody_waits_for_a_worker_that_hangs_by_dispatch(kind: Kind) {
    unless_spoilt(|| nobody_waits_for_a_worker_that_hangs(kind, "dispatch"));
}

fn nobody_waits_for_a_slot_in_back_off(kind: Kind, share: &str) -> Result<(), String> {
    let _turn = take_turn();
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    std::fs::write(&release, "v1").unwrap();
    let arguments = format!("--listen 127.0.0.1:0 --release {}", release.display());
    let cluster = kind.ready(&format!("-w 4 --share {share}"), &arguments);
    let dead = cluster.workers()[1];
    std::fs::write(&release, "v2 crashes-at-boot").unwrap();
    cluster.crash(dead);
    let load = load(&cluster);
    cluster.log().wait_for("(6 failures in a row)");
    load.go_on(FAULT);
    std::fs::write(&release, "v3").unwrap();
    let is_its = |line: &&String| {
        line.contains("(slot 1) is ready") && !line.contains(&format!("worker {} ", dead.worker))
    };
    cluster.log().wait_until("a new worker of slot 1", |lines| {
        lines.iter().find(is_its).map(|_| ())
    });
    let back = *cluster
        .workers()
        .iter()
        .find(|seen| seen.slot == 1)
        .unwrap();
    check_share(cluster.address(), back.worker, 4);
    load.go_on(100);
    load.check(0)
}

/// Back-offs take their time, so threads have theirs in one way of sharing only.
fn nobody_waits_for_a_slot_in_back_off_by_reuseport(kind: Kind) {
    unless_spoilt(|| nobody_waits_for_a_slot_in_back_off(kind, "reuseport"));
}

#[test]
fn nobody_waits_for_a_slot_in_back_off_by_transfer() {
    unless_spoilt(|| nobody_waits_for_a_slot_in_back_off(Kind::Processes, "transfer"));
}

#[test]
fn nobody_waits_for_a_slot_in_back_off_by_dispatch() {
    unless_spoilt(|| nobody_waits_for_a_slot_in_back_off(Kind::Processes, "dispatch"));
}

fn a_worker_that_hangs_for_good_costs_only_what_it_served(
    kind: Kind,
    share: &str,
) -> Result<(), String> {
    let _turn = take_turn();
    let options = format!("-w 4 --share {share} --hang-timeout 4");
    let cluster = kind.ready(&options, "--listen 127.0.0.1:0");
    let load = load(&cluster);
    let address = cluster.address();
    // A thread that is abandoned would run in circles beside the others to the end.
    let path = match kind {
        Kind::Processes => "/spin",
        Kind::Threads => "/block?ms=3600000",
    };
    let asking = std::thread::spawn(move || {
        let mut connection = TcpStream::connect(address).unwrap();
        write!(connection, "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        // The end of a killed worker's connection may be an error as well.
        let _reset = connection.read_to_end(&mut answer);
        answer.is_empty()
    });
    cluster
        .log()
        .wait_for("has not answered for 4 s and is killed");
    cluster.log().wait_for_many(5, "is ready after");
    load.go_on(100);
    let report = load.load.stop();
    let allowance = load.stalls.allowance();
    // What a thread served that is abandoned stays open, and ends with the program.
    drop(cluster);
    assert!(asking.join().unwrap(), "what it served is lost");
    // What else it had just accepted is lost as well, at most one for each client. A calm machine gives it one at a time.
    assert!(report.failed() <= CLIENTS as u64, "{report}");
    if report.failed() > 1 {
        return Err(format!("it had accepted several at once:\n{report}"));
    }
    check_waits(&report, 0, allowance)
}

fn a_worker_that_hangs_for_good_costs_only_what_it_served_by_reuseport(kind: Kind) {
    unless_spoilt(|| a_worker_that_hangs_for_good_costs_only_what_it_served(kind, "reuseport"));
}

fn a_worker_that_hangs_for_good_costs_only_what_it_served_by_transfer(kind: Kind) {
    unless_spoilt(|| a_worker_that_hangs_for_good_costs_only_what_it_served(kind, "transfer"));
}

fn a_worker_that_hangs_for_good_costs_only_what_it_served_by_dispatch(kind: Kind) {
    unless_spoilt(|| a_worker_that_hangs_for_good_costs_only_what_it_served(kind, "dispatch"));
}
