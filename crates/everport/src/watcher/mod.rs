//! The watcher: holds ports, spawns and replaces workers, writes the logs.

mod aborts;
mod attendant;
mod burial;
mod clock;
mod config;
mod credentials;
mod death;
mod effects;
mod event_loop;
mod handle;
mod inherited_sockets;
mod input;
mod links;
mod memory;
mod memory_limit;
mod memory_usage;
mod oom_score;
mod orphans;
mod output;
mod placement;
mod ports;
mod privileges;
mod process_handle;
mod programs;
mod pulse;
mod records;
mod rehearsal;
mod releases;
mod requests;
mod rings;
mod run;
mod silence;
mod spawn;
mod stuck;
mod threads;
mod worker;

pub use everport_core::{
    AbortCause, CrashLoop, DrainReason, ExitReason, Notice as Decision, Status, WorkerState,
    WorkerStatus,
};

pub use crate::bind::{PassedSocket, PassedSocketError};
#[cfg(feature = "cli")]
pub(crate) use config::cpus;
pub use config::{Builder, Program, StartError};
pub use credentials::{Credentials, CredentialsError};
pub use handle::Handle;
pub use placement::Placement;
pub use run::{RunError, Watcher};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use output::{Piece, Splitter};
