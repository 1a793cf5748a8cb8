//! Workers that are threads of the test's own process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clusters;
mod ends;
mod failures;
mod hang;
mod life;
mod pinning;
mod ports;
mod refusals;
mod scene;
