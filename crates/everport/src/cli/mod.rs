//! The command's flags and what it does with them, for the `everport` command and for programs that are
//! their own watcher.

mod args;
mod beside;
mod check;
mod count;
mod derived;
mod env_var;
mod exit_code;
mod lifetime;
mod log_args;
mod log_target;
mod name;
mod own_files;
#[cfg(test)]
mod parsing;
mod pid_file;
mod port_trouble;
mod role;
mod run;
mod seconds;
mod server;
mod service_manager;
mod signals;
mod size;
mod terminal;
mod umask;

pub use args::ClusterArgs;
pub use beside::Beside;
pub use check::check;
pub use derived::DerivedDefault;
pub use exit_code::ExitCode;
pub use log_args::LogArgsError;
pub use pid_file::PidFileError;
pub use role::Role;
pub use run::{CommandError, run, run_beside};
pub use server::ServerArgs;
