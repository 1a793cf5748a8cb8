//! The server under test: in a cluster, or the same program unmanaged.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use everport::Sharing;
use everport_tests::{Cluster, program};

use crate::accounting::processor_time;

/// All ways to share a port.
pub(crate) const SHARINGS: [Sharing; 3] =
    [Sharing::Reuseport, Sharing::Transfer, Sharing::Dispatch];

/// Starts a cluster of the server under test on a port of its own and waits until it is ready. It serves by
/// `axum::serve`, as the unmanaged server does.
pub(crate) fn cluster(workers: u32, share: Sharing, options: &str) -> Cluster {
    cluster_of(workers, share, options, &[])
}

/// The same, served by `everport::http`, as a program should that wants to lose nothing.
pub(crate) fn lossless_cluster(workers: u32, share: Sharing, options: &str) -> Cluster {
    cluster_of(workers, share, options, &[EVERPORT_HTTP.as_ref()])
}

/// The same with new workers that die at once as long as a file is there.
pub(crate) fn breakable_cluster(
    workers: u32,
    share: Sharing,
    options: &str,
    switch: &Path,
) -> Cluster {
    let broken_while = ["--broken-while".as_ref(), switch.as_os_str()];
    let arguments = [&[EVERPORT_HTTP.as_ref()], &broken_while[..]].concat();
    cluster_of(workers, share, options, &arguments)
}

const EVERPORT_HTTP: &str = "--everport-http";

fn cluster_of(workers: u32, share: Sharing, options: &str, arguments: &[&OsStr]) -> Cluster {
    let workers = workers.to_string();
    let share = share.to_string();
    let options = options.split_whitespace();
    let options = ["-w", &workers, "--share", &share]
        .into_iter()
        .chain(options);
    let mut command = Cluster::command(options);
    command.arg("--").arg(program("bench-server"));
    command.args(["--listen", "127.0.0.1:0"]).args(arguments);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    cluster
}

/// The server under test without everport: each process binds by itself with `SO_REUSEPORT`. Killed when
/// it is dropped.
#[derive(Debug)]
pub(crate) struct Unmanaged {
    processes: Vec<Child>,
    address: SocketAddr,
}

impl Unmanaged {
    /// Starts so many processes on one port and waits until each listens.
    pub(crate) fn start(processes: u32) -> anyhow::Result<Self> {
        let mut server = Self {
            processes: Vec::new(),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        };
        for _ in 0..processes {
            server.start_one()?;
        }
        Ok(server)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn start_one(&mut self) -> anyhow::Result<()> {
        let mut process = command(self.address)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start bench-server")?;
        let stdout = process.stdout.take();
        // From here on it is killed with the others, whatever happens.
        self.processes.push(process);
        let mut line = String::new();
        BufReader::new(stdout.context("stdout is a pipe")?).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on ");
        let address = address.with_context(|| format!("bench-server said: {line:?}"))?;
        self.address = address.parse()?;
        Ok(())
    }
}

/// The server under test without everport, to be started.
pub(crate) fn command(address: SocketAddr) -> Command {
    let mut command = Command::new(program("bench-server"));
    command.arg("--unmanaged").arg(address.to_string());
    command.stdin(Stdio::null());
    command
}

impl Drop for Unmanaged {
    fn drop(&mut self) {
        for process in &mut self.processes {
            // One that has ended already is just as well.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

/// A server that can be measured: where it is, and what it costs.
pub(crate) trait Subject {
    fn address(&self) -> SocketAddr;
    fn pids(&self) -> Vec<u32>;

    /// The processor time of all of its processes, a cluster's watcher included.
    fn processor_time(&self) -> anyhow::Result<Duration> {
        self.pids().into_iter().map(processor_time).sum()
    }
}

impl Subject for Cluster {
    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn pids(&self) -> Vec<u32> {
        let workers = self.workers().into_iter().map(|worker| worker.pid);
        workers.chain([self.pid()]).collect()
    }
}

impl Subject for Unmanaged {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn pids(&self) -> Vec<u32> {
        self.processes.iter().map(Child::id).collect()
    }
}
