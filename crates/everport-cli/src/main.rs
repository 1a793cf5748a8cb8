//! The `everport` command: many workers of one server program on the same port, losing nothing.

mod arguments;

use std::io::Write;
use std::process;

use anyhow::Context;
use clap::Parser;
use everport::cli::{CommandError, ExitCode};
use everport::watcher::{Program, StartError};

use crate::arguments::{Arguments, Command, RunArguments};

fn main() -> process::ExitCode {
    let arguments = Arguments::parse_from(arguments::with_run(std::env::args_os()));
    let Command::Run(arguments) = arguments.command;
    let code = run(&arguments).unwrap_or_else(|error| {
        // Whoever closed our standard error does not want to know.
        let _ = writeln!(std::io::stderr(), "everport: {error:#}");
        exit_code(&error)
    });
    code.into()
}

fn run(arguments: &RunArguments) -> anyhow::Result<ExitCode> {
    let program = find(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    Ok(runtime.block_on(everport::cli::run(&arguments.cluster, program))?)
}

fn find(arguments: &RunArguments) -> Result<Program, StartError> {
    Ok(Program::find(arguments.program())?.args(arguments.program_arguments()))
}

fn exit_code(error: &anyhow::Error) -> ExitCode {
    if let Some(error) = error.downcast_ref::<CommandError>() {
        return error.exit_code();
    }
    match error.downcast_ref::<StartError>() {
        Some(StartError::NoProgram(_)) => ExitCode::NotFound,
        Some(StartError::NotExecutable(_)) => ExitCode::NotExecutable,
        _ => ExitCode::Internal,
    }
}
