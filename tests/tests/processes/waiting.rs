//! Clients that ask without waiting for the answer, and workers that let them wait.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;

use everport_tests::{Cluster, PATIENCE, WorkerSeen};

/// Enough for some to wait at each of a few workers: the probability that one of two is missed is 2⁻³⁹.
const CLIENTS: usize = 40;

/// Connects and asks, without waiting for the answer.
pub(crate) fn ask(address: SocketAddr, path: &str) -> TcpStream {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    connection
}

/// Asks as many times as there are clients and returns the connections.
pub(crate) fn ask_many(address: SocketAddr) -> Vec<TcpStream> {
    (0..CLIENTS).map(|_| ask(address, "/")).collect()
}

/// Reads every answer.
pub(crate) fn check_answered(connections: Vec<TcpStream>) {
    let answers: Vec<_> = connections
        .into_iter()
        .map(|mut connection| {
            let mut answer = String::new();
            connection.read_to_string(&mut answer).map(|_| answer)
        })
        .collect();
    let is_whole = |answer: &&std::io::Result<String>| {
        answer
            .as_ref()
            .is_ok_and(|answer| answer.ends_with("Hello, World!"))
    };
    let whole = answers.iter().filter(is_whole).count();
    assert_eq!(whole, CLIENTS, "{answers:?}");
}

/// A worker whose runtime is busy for ever, so that connections queue up at it.
pub(crate) fn block_one(cluster: &Cluster) -> (WorkerSeen, TcpStream) {
    block_for(cluster, 3_600_000)
}

/// A worker that hangs until there is a file.
pub(crate) fn block_until(cluster: &Cluster, file: &Path) -> (WorkerSeen, TcpStream) {
    hang(cluster, &format!("/block?until={}", file.display()))
}

pub(crate) fn block_for(cluster: &Cluster, milliseconds: u32) -> (WorkerSeen, TcpStream) {
    hang(cluster, &format!("/block?ms={milliseconds}"))
}

/// A worker that runs in circles for ever.
pub(crate) fn spin_one(cluster: &Cluster) -> (WorkerSeen, TcpStream) {
    hang(cluster, "/spin")
}

fn hang(cluster: &Cluster, path: &str) -> (WorkerSeen, TcpStream) {
    let position = cluster.log().position();
    let request = ask(cluster.address(), path);
    let line = cluster.log().wait_after(position, " begins");
    // A process is known by the tag of its line, a thread by its name.
    let tag = line.split_whitespace().nth(2).unwrap_or_default();
    let name = line.split_whitespace().last().unwrap_or_default();
    let is_it = |seen: &WorkerSeen| match seen.is_thread {
        false => format!("{}.{}", seen.slot, seen.worker) == tag,
        true => format!("worker-{}", seen.worker) == name,
    };
    (cluster.workers().into_iter().find(is_it).unwrap(), request)
}
