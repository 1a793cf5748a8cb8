//! The kernel's table of TCP sockets.

use std::fs;
use std::net::SocketAddr;

/// How many clients' port numbers the kernel keeps because the client closed first.
pub(crate) fn port_numbers_kept_for(server: SocketAddr) -> usize {
    let sockets = sockets();
    let is_kept =
        |socket: &&Socket| socket.remote_port == server.port() && socket.state == TIME_WAIT;
    sockets.iter().filter(is_kept).count()
}

struct Socket {
    remote_port: u16,
    state: u64,
}

fn sockets() -> Vec<Socket> {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    table.lines().skip(1).map(parse).collect()
}

/// `sl local_address rem_address st …`, all numbers in hexadecimal.
fn parse(line: &str) -> Socket {
    let columns: Vec<_> = line.split_whitespace().collect();
    let (_, remote_port) = columns[2].split_once(':').unwrap();
    Socket {
        remote_port: u16::from_str_radix(remote_port, 16).unwrap(),
        state: u64::from_str_radix(columns[3], 16).unwrap(),
    }
}

const TIME_WAIT: u64 = 6;
