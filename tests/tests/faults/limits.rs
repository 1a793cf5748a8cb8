//! A system that refuses the watcher descriptors or processes: it waits, serves on, and recovers.

use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use everport_tests::{
    Cluster, Exit, PATIENCE, cpu_time, get, open_descriptors, wait_until, without_privileges,
};
use rustix::process::Signal;

use crate::unprivileged::Unprivileged;

/// The soft limit of a watcher, changed from outside by `prlimit` of util-linux.
struct Limit<'cluster> {
    cluster: &'cluster Cluster,
    /// Without `--`.
    resource: &'static str,
    /// Makes the command one of the watcher's own user, which needs no privilege then.
    as_user: fn(&mut Command) -> &mut Command,
}

impl Limit<'_> {
    /// Sets it and says what it was.
    fn set(&self, soft: &str) -> String {
        let mut ask = self.prlimit();
        ask.arg(format!("--{}", self.resource));
        let before = run(ask.args(["--output", "SOFT", "--noheadings", "--raw"]));
        run(self.prlimit().arg(format!("--{}={soft}:", self.resource)));
        before.trim().to_owned()
    }

    fn prlimit(&self) -> Command {
        let mut command = Command::new("prlimit");
        (self.as_user)(&mut command).args(["--pid", &self.cluster.pid().to_string()]);
        command
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("`prlimit` of util-linux is there");
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn as_we_are(command: &mut Command) -> &mut Command {
    command
}

/// A limit that leaves the process no descriptor but those it has open.
fn no_more_descriptors(pid: u32) -> String {
    let folder = format!("/proc/{pid}/fd");
    // While it starts it may close one that is lower than others; it keeps all it has.
    let is_free = |number: &u64| !std::fs::exists(format!("{folder}/{number}")).unwrap();
    (0..).find(is_free).unwrap().to_string()
}

/// How many sockets a process has open.
fn sockets(pid: u32) -> usize {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    // One that is closed meanwhile leads nowhere, and is none.
    let leads_to = descriptors.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok());
    leads_to
        .filter(|path| path.to_string_lossy().starts_with("socket:"))
        .count()
}

/// Kills a worker whose successor the system refuses: the cluster serves on without spinning, and comes back
/// once the limit is what it was.
fn check_refused(limit: &Limit<'_>, soft: &str, cause: &str) {
    let cluster = limit.cluster;
    let before = limit.set(soft);
    let (begin, cpu_before) = (Instant::now(), cpu_time(cluster.pid()));
    cluster.workers()[0].signal(Signal::KILL);
    cluster.log().wait_for_many(5, cause);
    let (took, cpu) = (begin.elapsed(), cpu_time(cluster.pid()) - cpu_before);
    // The waits before these attempts are 0, 100, 200, 400 and 800 ms, each less its jitter of up to a half.
    assert!(took > Duration::from_millis(700), "five in {took:?}");
    assert!(cpu < took / 5, "{cpu:?} of CPU time in {took:?}");
    for _ in 0..20 {
        assert_eq!(get(cluster.address(), "/").worker(), 2);
    }
    limit.set(&before);
    cluster.log().wait_for_many(3, "is ready after");
    cluster.restart();
}

#[test]
fn a_watcher_out_of_descriptors_serves_on_and_recovers() {
    let cluster = Cluster::inspectable("-w 2 --settle 0", "--listen 127.0.0.1:0");
    let before = open_descriptors(cluster.pid());
    let limit = Limit {
        cluster: &cluster,
        resource: "nofile",
        as_user: as_we_are,
    };
    check_refused(
        &limit,
        &no_more_descriptors(cluster.pid()),
        "Too many open files",
    );
    cluster.log().wait_for_many(2, "ended: exited");
    // The last one's are closed a moment after its end was told.
    let deadline = Instant::now() + PATIENCE;
    while open_descriptors(cluster.pid()) > before {
        let now = open_descriptors(cluster.pid());
        assert!(
            Instant::now() < deadline,
            "{now} descriptors, more than {before}"
        );
        std::thread::yield_now();
    }
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_restart_without_descriptors_is_rolled_back_and_a_stop_is_graceful() {
    let cluster = Cluster::inspectable("-w 2 --settle 0", "--listen 127.0.0.1:0");
    let limit = Limit {
        cluster: &cluster,
        resource: "nofile",
        as_user: as_we_are,
    };
    limit.set(&no_more_descriptors(cluster.pid()));
    cluster.signal(Signal::USR1);
    cluster.log().wait_for("aborted: ");
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    let log = cluster.log().clone();
    assert_eq!(cluster.stop(), Exit::Code(0));
    assert_eq!(log.matching("has drained").len(), 2);
}

#[test]
fn a_watcher_without_descriptors_for_connections_lets_them_wait_says_so_once_and_does_not_spin() {
    let cluster = Cluster::inspectable("-w 2 --share dispatch", "--listen 127.0.0.1:0");
    let limit = Limit {
        cluster: &cluster,
        resource: "nofile",
        as_user: as_we_are,
    };
    let before = limit.set(&no_more_descriptors(cluster.pid()));
    let address = cluster.address();
    let (begin, cpu_before) = (Instant::now(), cpu_time(cluster.pid()));
    let ask = || std::thread::spawn(move || get(address, "/").body);
    let clients: Vec<_> = (0..20).map(|_| ask()).collect();
    let position = cluster.log().position();
    cluster.log().wait_for("cannot accept on 127.0.0.1:");
    // What tells that time has passed is a death, whose successor there are no descriptors for either.
    cluster.workers()[0].signal(Signal::KILL);
    cluster.log().wait_for_many(4, "Too many open files");
    let (took, cpu) = (begin.elapsed(), cpu_time(cluster.pid()) - cpu_before);
    assert!(cpu < took / 5, "{cpu:?} of CPU time in {took:?}");
    limit.set(&before);
    for client in clients {
        assert_eq!(client.join().unwrap(), "Hello, World!");
    }
    let told = cluster.log().arrivals_since(position, "cannot accept on");
    assert!(told.len() <= 1, "{told:?}");
}

#[test]
fn a_watcher_short_of_descriptors_gives_others_what_waits_at_a_stopped_worker() {
    let cluster = Cluster::inspectable("-w 2 --share dispatch", "--listen 127.0.0.1:0");
    let address = cluster.address();
    let workers = cluster.workers();
    workers[0].signal(Signal::STOP);
    cluster.log().wait_for("was stopped by a signal");
    workers[1].signal(Signal::STOP);
    cluster.log().wait_for_many(2, "was stopped by a signal");
    // As many as fit into the channel of the last that served.
    let ask = || std::thread::spawn(move || get(address, "/").body);
    let clients: Vec<_> = (0..16).map(|_| ask()).collect();
    wait_until_none_waits_in_the_kernel(address, clients.len());
    let limit = Limit {
        cluster: &cluster,
        resource: "nofile",
        as_user: as_we_are,
    };
    let before = limit.set(&spare_descriptors(cluster.pid(), 3));
    // It serves again, and what waits at the other one is for it.
    workers[0].signal(Signal::CONT);
    for client in clients {
        assert_eq!(client.join().unwrap(), "Hello, World!");
    }
    limit.set(&before);
}

/// A limit that leaves the process so many descriptors beside those it has open.
fn spare_descriptors(pid: u32, spare: usize) -> String {
    let folder = format!("/proc/{pid}/fd");
    let is_free = |number: &u64| !std::fs::exists(format!("{folder}/{number}")).unwrap();
    (0..).filter(is_free).nth(spare).unwrap().to_string()
}

/// Waits until so many clients have connected to the address and all of them have been accepted.
fn wait_until_none_waits_in_the_kernel(address: SocketAddr, clients: usize) {
    let port = format!(":{:04X}", address.port());
    let deadline = Instant::now() + PATIENCE;
    loop {
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let fields = sockets.lines().map(|line| line.split_whitespace());
        let fields: Vec<Vec<&str>> = fields.map(Iterator::collect).collect();
        let ours = fields.iter().filter(|line| line[1].ends_with(&port));
        // The state of a listening socket is 0A, and its received bytes are the connections that wait.
        let (listening, connected): (Vec<_>, Vec<_>) = ours.partition(|line| line[3] == "0A");
        let connected = connected.iter().filter(|line| line[3] == "01").count();
        let is_empty = listening.iter().all(|line| line[4].ends_with(":00000000"));
        if connected >= clients && is_empty {
            return;
        }
        assert!(Instant::now() < deadline, "{connected} of {clients}");
        std::thread::yield_now();
    }
}

#[test]
fn a_worker_without_descriptors_loses_no_connection_that_was_passed_to_it() {
    let cluster = Cluster::ready("-w 1 --share dispatch", "--listen 127.0.0.1:0");
    let address = cluster.address();
    let pid = cluster.workers()[0].pid;
    let idle = sockets(pid);
    assert_eq!(get(address, "/").body, "Hello, World!");
    // The client sees the end of its connection before the worker has closed its descriptor.
    wait_until("the worker closes its connection", || sockets(pid) == idle);
    let set = |soft: &str| {
        let limit = format!("--nofile={soft}:");
        run(Command::new("prlimit").args(["--pid", &pid.to_string(), &limit]));
    };
    let all = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let all = all.lines().find(|line| line.starts_with("Max open files"));
    let before = all.unwrap().split_whitespace().nth(3).unwrap().to_owned();
    set(&no_more_descriptors(pid));
    let ask = || std::thread::spawn(move || get(address, "/").body);
    let clients: Vec<_> = (0..20).map(|_| ask()).collect();
    // Some lie in its channel by the time it is asked, and looks, again.
    let deadline = Instant::now() + Duration::from_millis(300);
    while Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(clients.iter().all(|client| !client.is_finished()));
    set(&before);
    for client in clients {
        assert_eq!(client.join().unwrap(), "Hello, World!");
    }
}

#[test]
fn a_watcher_that_may_not_fork_serves_on_and_recovers() {
    // The limit does not hold for root.
    let unprivileged = Unprivileged::new();
    let cluster = unprivileged.ready("-w 2 --settle 0", "--listen 127.0.0.1:0");
    let limit = Limit {
        cluster: &cluster,
        resource: "nproc",
        as_user: without_privileges,
    };
    check_refused(&limit, "1", "Resource temporarily unavailable");
    assert_eq!(cluster.stop(), Exit::Code(0));
}
