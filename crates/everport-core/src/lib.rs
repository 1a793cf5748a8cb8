//! The supervisor of everport: a state machine without I/O, clock, randomness or dependencies.
//!
//! The shell feeds it with [`Supervisor::handle_event`] and [`Supervisor::handle_timeout`] and, after
//! each call, drains [`Supervisor::poll_action`] and [`Supervisor::poll_notice`] before the next.
//! [`Supervisor::poll_timeout`] says when it wants to be called again. It knows slots, generations and
//! worker ids; it never sees a process id, a descriptor, a path or a clock.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod action;
mod event;
mod identity;
mod notice;
mod policy;
mod supervisor;
mod time;

pub use action::{Action, DrainReason, ExitReason, Serving};
pub use event::{Event, Exit, ReplaceCause};
pub use identity::{Generation, PortId, SlotId, WorkerId};
pub use notice::{AbortCause, Notice};
pub use policy::{Backoff, Budget, CrashLoop, Policy};
pub use supervisor::{Pending, Status, Supervisor, WorkerState, WorkerStatus};
pub use time::Timestamp;
