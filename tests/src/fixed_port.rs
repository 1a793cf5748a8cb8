//! Ports that a test needs by their number.

use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Instant;

use crate::PATIENCE;

/// Waits until nobody else has the port: that of a test before may be closed a moment after its end.
///
/// # Panics
/// When another program keeps it, or the system has no such address.
#[track_caller]
pub fn wait_for_port(address: &str) {
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = TcpListener::bind(address) {
        let port = address.rsplit(':').next().unwrap_or_default();
        assert!(
            error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline,
            "this test needs {address} for itself: {error} (see `ss -ltnp sport = :{port}`)"
        );
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}
