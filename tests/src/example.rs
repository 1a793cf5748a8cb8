//! What the examples of servers are put to: rolling restarts under load, a worker that is killed, and life without a
//! watcher. They listen on the address that is their first argument; others may follow.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use everport_load::{Load, Report};
use rustix::process::Signal;

use crate::{Cluster, PATIENCE};

/// Two workers of a program, on a port that the watcher chooses.
#[must_use]
pub fn two_workers_of(program: &str) -> Cluster {
    two_workers_with(program, &[])
}

/// The same with further arguments.
#[must_use]
pub fn two_workers_with(program: &str, arguments: &[&str]) -> Cluster {
    let mut command = Cluster::command(["--workers", "2", "--settle", "0"]);
    command.args(["--", program, "127.0.0.1:0"]).args(arguments);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    cluster
}

/// A program without a watcher, and the address that it says it listens on.
///
/// # Panics
/// When it does not say so in time.
#[must_use]
pub fn standalone(program: &str) -> (Cluster, SocketAddr) {
    standalone_with(program, &[])
}

/// The same with further arguments.
///
/// # Panics
/// When it does not say so in time.
#[must_use]
pub fn standalone_with(program: &str, arguments: &[&str]) -> (Cluster, SocketAddr) {
    let mut command = Command::new(program);
    command.arg("127.0.0.1:0").args(arguments);
    command.env_remove("EVERPORT_LINK");
    let process = Cluster::spawn(command);
    let line = process.log().wait_for("listening on ");
    let (_, address) = line.rsplit_once(' ').expect("an address");
    let address = address.parse().expect("an address");
    (process, address)
}

/// Clients that make a connection for each request, and that keep theirs: some of these are busy, the others pause for
/// less than a server keeps what is idle. Both workers are replaced meanwhile. Nobody loses anything, and the sum of all
/// answers is returned.
///
/// # Panics
/// When a request is lost, or the clients or the workers do not get on.
pub fn replace_under_load(cluster: &Cluster) -> u64 {
    let load = || {
        Load::new(cluster.address())
            .timeout(PATIENCE / 3)
            .duration(PATIENCE * 2)
    };
    let loads = [
        load().clients(8).one_shot().rate(200),
        load().clients(8).keep_alive().rate(400),
        load()
            .clients(64)
            .keep_alive()
            .pause_up_to(Duration::from_secs(2)),
    ];
    let loads = loads.map(|load| load.start().expect("the load starts"));
    let go_on = |requests| {
        for load in &loads {
            let more = load.wait_for_more(requests, PATIENCE);
            more.expect("the clients get on");
        }
    };
    go_on(100);
    cluster.restart();
    // Each worker that was replaced has ended, and so has every connection to it.
    cluster.log().wait_for_many(2, ") ended: exited");
    go_on(100);
    let reports = loads.map(|load| load.stop());
    reports.iter().for_each(Report::assert_lossless);
    reports.iter().map(|report| report.ok).sum()
}

/// Kills a worker at a moment at which it serves nobody. Clients are served all the time, and its slot has a worker again.
///
/// # Panics
/// When `ask` does.
pub fn kill_a_worker(cluster: &Cluster, ask: impl Fn()) {
    let victim = cluster.workers()[0];
    let position = cluster.log().position();
    victim.signal(Signal::KILL);
    // So many that they would find a queue that nobody empties.
    (0..50).for_each(|_| ask());
    let recovered = format!("(slot {}) is ready", victim.slot);
    cluster.log().wait_after(position, &recovered);
    assert_eq!(cluster.workers().len(), 2);
    (0..50).for_each(|_| ask());
}
