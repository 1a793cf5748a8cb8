//! Whether there is IPv6 on this machine.

use std::net::TcpListener;

/// Whether the loopback has an address of IPv6. Says on standard error what is left out when it has none.
#[must_use]
pub fn has_ipv6() -> bool {
    match TcpListener::bind("[::1]:0") {
        Ok(_) => true,
        Err(error) => {
            eprintln!("there is no IPv6 here ({error}): what it shows was left out");
            false
        }
    }
}
