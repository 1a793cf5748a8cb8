//! What the threads of a process do, as far as the system tells.

#[cfg(all(target_os = "linux", not(everport_portable)))]
mod proc;
#[cfg(any(not(target_os = "linux"), everport_portable))]
mod unknown;

#[cfg(all(target_os = "linux", not(everport_portable)))]
pub(crate) use proc::threads_of;
#[cfg(any(not(target_os = "linux"), everport_portable))]
pub(crate) use unknown::threads_of;
