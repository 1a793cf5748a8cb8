//! The load that restarts, kills and faults are seen under: a connection for each request, at a constant rate.

use std::net::SocketAddr;

use everport_load::Load;

use crate::phase::TRACES;

/// So many clients that send so many requests a second in all, and keep what a plot needs.
pub(crate) fn steady(address: SocketAddr, clients: usize, rate: u32) -> Load {
    Load::new(address)
        .clients(clients)
        .one_shot()
        .rate(f64::from(rate))
        .expect_body("Hello, World!")
        .source_addresses(SOURCES)
        .traces(TRACES)
}

/// One address has too few ports for all connections that are closed and linger.
const SOURCES: u8 = 8;
