//! What the layer hands over, read back as the watcher reads it.

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod cluster;
mod console;
mod events;
mod filter;
mod kept;
mod log_crate;
mod panics;
mod spans;
mod thread_log;
mod threads;
