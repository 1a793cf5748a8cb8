//! The `everport` command: many workers of one server program on the same port, losing nothing.

mod arguments;
mod watch;

use std::io::Write;
use std::{io, process};

use clap::Parser;
use everport::cli::{CommandError, ExitCode, run_beside};
use everport::watcher::Program;

use crate::arguments::{Arguments, Command, RunArguments};
use crate::watch::{Watch, WatchError, WrittenByUs};

fn main() -> process::ExitCode {
    let arguments = Arguments::parse_from(arguments::with_run(std::env::args_os()));
    let Command::Run(arguments) = arguments.command;
    let code = match watch(&arguments) {
        Ok(watch) => run(&arguments, watch).unwrap_or_else(|error| error.report()),
        Err(error) => {
            // Whoever closed our standard error does not want to know.
            let _ = writeln!(io::stderr(), "everport: {error}");
            ExitCode::Usage
        }
    };
    code.into()
}

/// Begins before the cluster does, so that a path which is not there stops everything, and no change is missed.
fn watch(arguments: &RunArguments) -> Result<Option<Watch>, WatchError> {
    let ours = WrittenByUs::find(arguments.cluster.own_files());
    Watch::begin(arguments.watch.clone(), ours)
}

fn run(arguments: &RunArguments, watch: Option<Watch>) -> Result<ExitCode, CommandError> {
    let program = Program::find(arguments.program())?.args(arguments.program_arguments());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    runtime.block_on(run_beside(&arguments.cluster, program, async |beside| {
        if let Some(watch) = watch {
            watch.restart_on_changes(beside).await;
        }
    }))
}
