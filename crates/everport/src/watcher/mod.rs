//! The watcher: holds ports, spawns and replaces workers, writes the logs.

mod config;
mod handle;
mod output;
mod run;

pub use config::{Builder, Program, StartError};
pub use handle::Handle;
pub use run::{RunError, Watcher};
