//! The `everport` command: many workers of one server program on the same port, losing nothing.

mod arguments;

use std::process;

use clap::Parser;
use everport::cli::{CommandError, ExitCode};
use everport::watcher::Program;

use crate::arguments::{Arguments, Command, RunArguments};

fn main() -> process::ExitCode {
    let arguments = Arguments::parse_from(arguments::with_run(std::env::args_os()));
    let Command::Run(arguments) = arguments.command;
    let code = run(&arguments).unwrap_or_else(|error| error.report());
    code.into()
}

fn run(arguments: &RunArguments) -> Result<ExitCode, CommandError> {
    let program = Program::find(arguments.program())?.args(arguments.program_arguments());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    runtime.block_on(everport::cli::run(&arguments.cluster, program))
}
