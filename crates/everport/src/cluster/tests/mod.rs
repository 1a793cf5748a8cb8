//! What is promised about the worker's side, tried against a watcher that the tests play.

#[cfg(feature = "axum")]
mod axum;
mod draining;
mod harness;
mod joining;
mod leaving;
mod lending;
mod listening;
mod process;
mod readiness;
mod standalone;
mod transfer;
