//! Finds out which program listens on a port, for the error message; best effort, Linux only.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

/// Such as `nginx (pid 4711)`; `None` where the system does not tell us.
pub(crate) fn who_listens_on(address: SocketAddr) -> Option<String> {
    let inode = listening_inode(address)?;
    let (pid, name) = process_with_socket(inode)?;
    Some(format!("{name} (pid {pid})"))
}

fn listening_inode(address: SocketAddr) -> Option<u64> {
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .find_map(|table| {
            table
                .lines()
                .find_map(|row| inode_of_listener(row, address.port()))
        })
}

/// A row of `/proc/net/tcp` (see proc_net_tcp in the kernel's documentation): local address is field 1,
/// the state field 3 (`0A` is LISTEN), the inode field 9.
fn inode_of_listener(row: &str, port: u16) -> Option<u64> {
    let fields: Vec<&str> = row.split_whitespace().collect();
    let (_, local_port) = fields.get(1)?.rsplit_once(':')?;
    let is_listener = *fields.get(3)? == "0A";
    let same_port = u16::from_str_radix(local_port, 16).ok()? == port;
    if is_listener && same_port {
        fields.get(9)?.parse().ok()
    } else {
        None
    }
}

fn process_with_socket(inode: u64) -> Option<(u32, String)> {
    let wanted = format!("socket:[{inode}]");
    fs::read_dir("/proc").ok()?.flatten().find_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        let has_it = has_descriptor(&entry.path(), &wanted);
        has_it.then(|| (pid, name_of(&entry.path())))
    })
}

fn has_descriptor(process: &Path, wanted: &str) -> bool {
    fs::read_dir(process.join("fd")).is_ok_and(|descriptors| {
        descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|to| to.as_os_str() == wanted)
        })
    })
}

fn name_of(process: &Path) -> String {
    fs::read_to_string(process.join("comm"))
        .map_or_else(|_| "a program".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_port_is_found_by_name_and_pid() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let owner = who_listens_on(listener.local_addr().unwrap()).unwrap();
        assert!(
            owner.ends_with(&format!("(pid {})", std::process::id())),
            "{owner}"
        );
    }

    #[test]
    fn rows_that_are_not_listeners_or_malformed_are_passed_over() {
        for row in [
            "",
            "sl local_address",
            "0: 0100007F:1F90 00000000:0000 01 x x x x x 77",
        ] {
            assert_eq!(inode_of_listener(row, 8080), None, "{row}");
        }
        let listener = "0: 0100007F:1F90 00000000:0000 0A 0:0 00:0 0 0 0 77 1";
        assert_eq!(inode_of_listener(listener, 8080), Some(77));
    }
}
