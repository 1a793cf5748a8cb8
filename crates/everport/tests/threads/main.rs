//! Workers that are threads of the test's own process.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clusters;
mod ends;
mod failures;
// What tells of waiting connections without waking on each of them is Linux only.
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod hang;
mod last_words;
mod life;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod pinning;
mod ports;
mod refusals;
mod scene;
mod spawned;
