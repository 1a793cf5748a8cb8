//! What a worker is serving at a moment.

use std::fs;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use rustix::io::Errno;
use rustix::net::getpeername;
use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, Signal, pidfd_getfd, pidfd_open};

use crate::{WorkerSeen, is_stopped, wait_until};

/// Stops the worker where it is and counts the connections it has accepted and not closed: what it is
/// serving, to the very moment.
///
/// # Errors
/// When the worker is gone, or we may not look at its descriptors.
pub fn stop_and_count(worker: WorkerSeen) -> io::Result<u64> {
    worker.signal(Signal::STOP);
    // A thread that is in a system call, on another processor, ends that first: it may accept one more.
    wait_until("the worker stands still", || is_stopped(worker.pid));
    connections(worker)
}

/// Counts the connections that a worker has accepted and not closed. One that runs can accept and close
/// others meanwhile.
///
/// # Errors
/// When the worker is gone, or we may not look at its descriptors.
pub fn connections(worker: WorkerSeen) -> io::Result<u64> {
    let pid = i32::try_from(worker.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidInput)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let mut count = 0;
    for number in descriptors(worker.pid)? {
        match pidfd_getfd(&pidfd, number, PidfdGetfdFlags::empty()) {
            Ok(descriptor) => count += u64::from(is_connection(&descriptor)),
            // Closed since the list was made.
            Err(Errno::BADF) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(count)
}

fn descriptors(pid: u32) -> io::Result<Vec<RawFd>> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd"))?;
    let names = entries.flatten().map(|entry| entry.file_name());
    Ok(names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect())
}

/// Whether it is a TCP connection: listening sockets have no other end, and the link's is no address.
fn is_connection(descriptor: &OwnedFd) -> bool {
    let peer = getpeername(descriptor).ok().flatten();
    peer.is_some_and(|peer| std::net::SocketAddr::try_from(peer).is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn accepted_connections_count_and_nothing_else() {
        let us = WorkerSeen {
            worker: 1,
            slot: 0,
            pid: std::process::id(),
            is_thread: false,
            generation: 1,
        };
        let before = connections(us).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let _pair = UnixStream::pair().unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(connections(us).unwrap(), before + 1, "the client's own end");
        let _accepted = listener.accept().unwrap();
        assert_eq!(connections(us).unwrap(), before + 2);
    }
}
