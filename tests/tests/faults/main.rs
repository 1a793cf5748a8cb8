//! Faults, one by one: `docs/faults.md` says what everport promises in each, and names the test that shows it.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod clock;
mod commands;
mod deaths;
mod flood;
mod full_disk;
mod limits;
mod pid_file;
mod ports;
mod small_disk;
mod unprivileged;
