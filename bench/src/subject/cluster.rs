//! The server under test in a cluster, of processes or of threads.

use std::ffi::OsStr;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use everport::Sharing;
use everport_tests::{Cluster, WorkerSeen, program};

use super::Subject;

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

/// The server as its own watcher, with workers that are threads.
pub(crate) fn thread_cluster(workers: u32, share: Sharing, options: &str) -> Cluster {
    ready(threads(workers, share, options, ANY_PORT, &[EVERPORT_HTTP]))
}

/// The same, served by `axum::serve`, as the unmanaged server does.
pub(crate) fn plain_thread_cluster(workers: u32, share: Sharing) -> Cluster {
    ready(threads(workers, share, "", ANY_PORT, &[]))
}

/// Starts a cluster of the server under test on this address, and waits for nothing.
pub(crate) fn launch(workers: u32, share: Sharing, address: SocketAddr) -> Cluster {
    Cluster::spawn(processes(workers, share, "", &address.to_string(), &[]))
}

/// The same with threads.
pub(crate) fn launch_threads(workers: u32, address: SocketAddr) -> Cluster {
    let address = address.to_string();
    Cluster::spawn(threads(workers, Sharing::DEFAULT, "", &address, &[]))
}

const EVERPORT_HTTP: &str = "--everport-http";
const ANY_PORT: &str = "127.0.0.1:0";

fn cluster_of(workers: u32, share: Sharing, options: &str, arguments: &[&OsStr]) -> Cluster {
    ready(processes(workers, share, options, ANY_PORT, arguments))
}

fn processes(
    workers: u32,
    share: Sharing,
    options: &str,
    address: &str,
    arguments: &[&OsStr],
) -> Command {
    let (workers, share) = (workers.to_string(), share.to_string());
    let own = ["-w", &workers, "--share", &share];
    let mut command = Cluster::command(own.into_iter().chain(options.split_whitespace()));
    command.arg("--").arg(program("bench-server"));
    command.args(["--listen", address]).args(arguments);
    command
}

fn threads(
    workers: u32,
    share: Sharing,
    options: &str,
    address: &str,
    arguments: &[&str],
) -> Command {
    let mut command = Command::new(program("bench-server"));
    command.args(["as-threads", "--listen", address]);
    command.args(arguments);
    let (workers, share) = (workers.to_string(), share.to_string());
    let own = ["--threads", &workers, "--share", &share];
    Cluster::watched(command, own.into_iter().chain(options.split_whitespace()))
}

fn ready(command: Command) -> Cluster {
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    cluster
}

impl Subject for Cluster {
    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn pids(&self) -> Vec<u32> {
        let workers = Subject::workers(self);
        [self.pid()].into_iter().chain(workers).collect()
    }

    /// Threads have no process of their own.
    fn workers(&self) -> Vec<u32> {
        let is_process = |worker: &WorkerSeen| !worker.is_thread;
        let workers = self.workers().into_iter().filter(is_process);
        workers.map(|worker| worker.pid).collect()
    }

    fn restart(&self) -> anyhow::Result<bool> {
        self.restart();
        Ok(true)
    }
}
