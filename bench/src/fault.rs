//! One worker of a cluster that does not serve for a while.

use std::fmt;
use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use everport_tests::{Cluster, WorkerSeen, connections, stop_and_count};
use rustix::process::Signal;

/// Why a worker does not serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Stopped by `SIGSTOP`.
    Stopped,
    /// In a loop that never gives the runtime a turn.
    Hung,
    /// Killed, and whatever is started in its place dies at once.
    BackOff,
}

/// What came of a fault.
#[derive(Debug)]
pub(crate) struct Suffered {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
    /// How many connections the worker was serving when it began.
    pub(crate) held: u64,
}

pub(crate) const FAULTS: [Fault; 3] = [Fault::Stopped, Fault::Hung, Fault::BackOff];

impl Fault {
    /// Lets one worker suffer for so long. `switch` is the file whose existence makes new workers die.
    pub(crate) fn inflict(
        self,
        cluster: &Cluster,
        length: Duration,
        switch: &Path,
    ) -> anyhow::Result<Suffered> {
        match self {
            Self::Stopped => stop(cluster, length),
            Self::Hung => hang(cluster, length),
            Self::BackOff => keep_from_booting(cluster, length, switch),
        }
    }

    /// Whether what the worker was serving waits for it, or is lost with it.
    pub(crate) fn kills(self) -> bool {
        self == Self::BackOff
    }
}

fn stop(cluster: &Cluster, length: Duration) -> anyhow::Result<Suffered> {
    let victim = any_worker(cluster)?;
    let begin = Instant::now();
    let held = stop_and_count(victim)?;
    thread::sleep(length.saturating_sub(begin.elapsed()));
    victim.signal(Signal::CONT);
    Ok(Suffered {
        begin,
        end: Instant::now(),
        held,
    })
}

fn hang(cluster: &Cluster, length: Duration) -> anyhow::Result<Suffered> {
    let position = cluster.log().position();
    let mut request = TcpStream::connect(cluster.address())?;
    let begin = Instant::now();
    let path = format!("/spin/{}", length.as_millis());
    write!(
        request,
        "GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n"
    )?;
    let line = cluster.log().wait_after(position, "spinning");
    let victim = worker_of_line(cluster, &line)?;
    // Our own request is one of them.
    let held = connections(victim)?.saturating_sub(1);
    thread::sleep(length.saturating_sub(begin.elapsed()));
    Ok(Suffered {
        begin,
        end: Instant::now(),
        held,
    })
}

fn keep_from_booting(
    cluster: &Cluster,
    length: Duration,
    switch: &Path,
) -> anyhow::Result<Suffered> {
    let victim = any_worker(cluster)?;
    fs::write(switch, "").context("cannot write the file that breaks new workers")?;
    let begin = Instant::now();
    let held = stop_and_count(victim)?;
    victim.signal(Signal::KILL);
    thread::sleep(length.saturating_sub(begin.elapsed()));
    fs::remove_file(switch).context("cannot remove the file that breaks new workers")?;
    Ok(Suffered {
        begin,
        end: Instant::now(),
        held,
    })
}

fn any_worker(cluster: &Cluster) -> anyhow::Result<WorkerSeen> {
    let workers = cluster.workers();
    workers.first().copied().context("there is no worker")
}

/// The worker whose output a line of the log is: its tag is `slot.worker`.
fn worker_of_line(cluster: &Cluster, line: &str) -> anyhow::Result<WorkerSeen> {
    let tag = line.split_whitespace().nth(2);
    let is_it = |seen: &WorkerSeen| tag == Some(format!("{}.{}", seen.slot, seen.worker).as_str());
    let found = cluster.workers().into_iter().find(is_it);
    found.with_context(|| format!("no worker has said: {line}"))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Stopped => "stopped",
            Self::Hung => "hung",
            Self::BackOff => "back-off",
        })
    }
}
