//! Workers that are threads of the test's own process.

mod clusters;
mod ends;
mod failures;
mod hang;
mod life;
mod pinning;
mod ports;
mod refusals;
mod scene;
