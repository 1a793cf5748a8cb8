//! The watcher: holds ports, spawns and replaces workers, writes the logs.
//!
//! [`Watcher::builder`] and [`Watcher::threads`] give a [`Builder`], which is told once how the cluster is to be.
//! [`Watcher::run`] is the cluster, from its start to its end. While it runs the program has a [`Handle`]: commands that can
//! be waited for, [`Status`] and [ports](OpenPort), [`Notices`] of all that happens, and messages. Hooks of the builder are
//! called in a worker's life, by the watcher itself.
//!
//! ```no_run
//! # async fn serve(_: everport::Cluster) -> Result<(), everport::ListenError> { Ok(()) }
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use everport::Watcher;
//!
//! let watcher = Watcher::threads(4, serve)
//!     .on_ready(|source| println!("worker {} serves", source.worker))
//!     .build()?;
//! let handle = watcher.handle();
//! let running = tokio::spawn(watcher.run());
//! handle.ready().await?;
//! println!("{:?}", handle.status().await?);
//! handle.stop();
//! running.await??;
//! # Ok(())
//! # }
//! ```

mod abandoned;
mod aborts;
mod attendant;
mod body;
mod burial;
mod child_changes;
mod clock;
mod commands;
mod config;
mod credentials;
mod death;
mod dispatching;
mod effects;
mod event_loop;
mod handle;
mod hooks;
mod inherited_sockets;
mod input;
mod links;
mod memory;
mod memory_limit;
mod memory_usage;
mod messages;
mod notices;
mod oom_score;
mod orphans;
mod output;
mod pinning;
mod placement;
mod ports;
mod privileges;
mod process_handle;
mod program;
mod programs;
mod pulse;
mod records;
mod rehearsal;
mod releases;
mod requests;
mod restarts;
mod rings;
mod run;
mod silence;
mod spawn;
mod status;
mod stuck;
mod threads;
mod turns;
mod waits;
mod worker;
mod worker_thread;
mod workforce;

pub use everport_core::{
    AbortCause, CrashLoop, DrainReason, ExitReason, Notice as Decision, ReplaceCause, WorkerState,
};

pub use crate::bind::{PassedSocket, PassedSocketError};
pub use crate::log::AbortedRollout;
#[cfg(feature = "cli")]
pub(crate) use config::cpus;
pub use config::{Builder, StartError};
pub use credentials::{Credentials, CredentialsError};
pub use handle::{Handle, WatcherEnded};
pub use hooks::{Spawning, WorkerEnd};
pub use notices::{Missed, Notices, Notification};
pub use placement::Placement;
pub use program::Program;
pub use restarts::{Restart, RestartError, Restarted};
pub use run::{RunError, Watcher};
pub use status::{OpenPort, Status, WorkerStatus};
pub use worker_thread::MainError;
#[cfg(feature = "tracing")]
pub(crate) use worker_thread::note_panic;
#[doc(hidden)]
pub use worker_thread::{Boxed, Converted};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use messages::{MOST_REMAINS, Switch};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use output::{Piece, Splitter};
