//! What is promised about the worker's side, tried against a watcher that the tests play.

#[cfg(feature = "axum")]
mod axum;
mod beats;
mod dispatch;
mod draining;
pub(crate) mod harness;
mod joining;
mod leaving;
mod lending;
mod listening;
mod messages;
mod process;
mod readiness;
mod records;
pub(crate) mod standalone;
mod transfer;
// By poll(2) every connection wakes everybody, and no wake-up can be lost.
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod turns;
