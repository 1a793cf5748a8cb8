//! What the layer hands over, read back as the watcher reads it.

mod console;
mod events;
mod filter;
mod kept;
mod log_crate;
mod panics;
mod spans;
mod threads;
