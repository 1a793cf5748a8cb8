//! What a worker's log records go through: memory that it shares with its watcher.
//!
//! A record is handed over once it is committed, which takes the worker no system call and needs no turn of the
//! watcher: it is there even when the worker is killed in the next instant. `docs/protocol.md` has the layout.
//!
//! The worker writes records and moves the *head*, the watcher takes them and moves the *tail*. Neither ever waits
//! for the other, unless the worker was told to wait for room: then it does as long as the log moves.

#[cfg(any(not(target_os = "linux"), everport_portable))]
mod absent;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod consumer;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod memory;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod nonsense;
#[cfg_attr(
    any(not(target_os = "linux"), everport_portable),
    expect(dead_code, reason = "nobody waits without a ring")
)]
mod patience;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod producer;
mod size;
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod turn;

#[cfg(test)]
#[cfg(all(target_os = "linux", not(everport_portable)))]
mod tests;

#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(crate) use absent::{Consumer, Nonsense, Producer, Ring};
#[cfg(all(
    target_os = "linux",
    not(everport_portable),
    any(test, feature = "fuzzing")
))]
pub(crate) use consumer::filled;
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use consumer::{Consumer, Ring};
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use nonsense::Nonsense;
pub(crate) use patience::never_wait_here;
#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use producer::Producer;
pub(crate) use size::Size;
