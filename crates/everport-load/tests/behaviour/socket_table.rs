//! The kernel's table of TCP sockets.

use std::fs;
use std::net::SocketAddrV4;

/// How many clients' port numbers the kernel keeps because the client closed first.
pub(crate) fn port_numbers_kept_for(server: SocketAddrV4) -> usize {
    // The table shows the address's four bytes as one number of this machine.
    let ip = u32::from_ne_bytes(server.ip().octets());
    let server = format!("{ip:08X}:{:04X}", server.port());
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let is_kept = |line: &&str| {
        // `sl local_address rem_address st …`
        let columns: Vec<_> = line.split_whitespace().collect();
        columns[2] == server && columns[3] == TIME_WAIT
    };
    table.lines().filter(is_kept).count()
}

const TIME_WAIT: &str = "06";
