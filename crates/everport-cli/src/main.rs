//! The `everport` command: many workers of one server program on the same port, losing nothing.

mod arguments;
mod check;
mod companion;
mod completions;
mod configuration;
mod man;
mod negation;
mod output;
mod reference;
mod watch;

use std::ffi::{OsStr, OsString};
use std::process;
use std::sync::Arc;

use clap::FromArgMatches;
use everport::cli::{CommandError, ExitCode};
use everport::watcher::{Program, StartError};

use crate::arguments::{Arguments, Command, RunArguments};
use crate::configuration::{Refusal, Resolved, resolve};
use crate::watch::Watch;

fn main() -> process::ExitCode {
    let typed: Vec<OsString> = std::env::args_os().collect();
    let code = obey(&typed).unwrap_or_else(|refusal| refusal.report());
    code.into()
}

fn obey(typed: &[OsString]) -> Result<ExitCode, Refusal> {
    let words = arguments::with_run(typed.iter().cloned());
    let given = arguments::parse_incomplete(&words).map_err(Refusal::Usage)?;
    let parsed = Arguments::from_arg_matches(&given.matches).map_err(Refusal::Usage)?;
    Ok(match parsed.command {
        Command::Run(_) => {
            let resolved = resolve(words, given)?;
            if resolved.arguments.program.is_empty() {
                return Err(Refusal::NoProgram);
            }
            // Before the cluster does anything: no change is missed, and a path that is not there stops it all.
            let watch = watch::begin(&resolved.arguments).map_err(Refusal::Watch)?;
            let resolved = Arc::new(resolved);
            run(&resolved, watch).unwrap_or_else(|error| tell(&error, &resolved, typed))
        }
        Command::Check(_) => check::check(&resolve(words, given)?),
        Command::Completions { shell } => print(&completions::script(&shell).unwrap_or_default()),
        Command::Man => match man::page() {
            Ok(page) => print(&page),
            Err(_) => ExitCode::Internal,
        },
    })
}

fn run(resolved: &Arc<Resolved>, watch: Option<Watch>) -> Result<ExitCode, CommandError> {
    let program = find_program(&resolved.arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::Runtime)?;
    let companion = companion::of(Arc::clone(resolved), watch);
    runtime.block_on(everport::cli::run_beside(
        &resolved.arguments.cluster,
        program,
        companion,
    ))
}

/// The program to run; the words for it were looked at already.
fn find_program(arguments: &RunArguments) -> Result<Program, StartError> {
    let mut words = arguments.program.iter();
    let name = words.next().map_or(OsStr::new(""), OsString::as_os_str);
    Ok(Program::find(name)?.args(words))
}

/// Tells an error. A word in the place of the program that is none was probably meant as a subcommand, unless there is
/// one already.
fn tell(error: &CommandError, resolved: &Resolved, typed: &[OsString]) -> ExitCode {
    let CommandError::Start(StartError::NotInPath(name)) = error else {
        return output::report(error, resolved);
    };
    let has_command = typed.get(1).is_some_and(|first| first == "run");
    let is_typed = typed
        .iter()
        .any(|word| word.as_os_str() == name.as_os_str());
    let slip = (is_typed && !has_command).then_some(name.as_os_str());
    match slip.and_then(arguments::resembles_subcommand) {
        Some(meant) => {
            output::complain(&format!(
                "no such program: {} (did you mean the command `everport {meant}`? it comes before all options)",
                name.display()
            ));
            error.exit_code()
        }
        None => error.report(),
    }
}

fn print(bytes: &[u8]) -> ExitCode {
    output::print(bytes);
    ExitCode::Graceful
}
