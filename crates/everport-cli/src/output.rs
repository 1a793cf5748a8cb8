//! What the command itself prints: to standard output, or as an error.

use std::io::{self, IsTerminal, Write};

use clap::error::ErrorKind;
use everport::cli::{CommandError, ExitCode};

use crate::configuration::{Refusal, Resolved};

/// Nobody said what to run.
pub(crate) const NO_PROGRAM: &str = "no program to run (name one, such as everport run ./server, or set `program` in everport.toml)";

/// Prints a text. A reader that has gone does not want it.
pub(crate) fn print(text: &[u8]) {
    let mut stdout = io::stdout().lock();
    let _gone = stdout.write_all(text).and_then(|()| stdout.flush());
}

/// Tells one error on standard error, a line for each of the text's.
pub(crate) fn complain(text: &str) {
    let lines: String = text
        .lines()
        .map(|line| format!("everport: {line}\n"))
        .collect();
    // Whoever closed our standard error does not want to know.
    let _ = io::stderr().write_all(lines.as_bytes());
}

impl Refusal {
    /// Tells why nothing is run, and what to exit with.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Usage(error) => return report_usage(error),
            Self::Together(complaints) => complain(&complaints.join("\n")),
            Self::Configuration(error) => complain(&error.to_string()),
            Self::NoProgram => complain(NO_PROGRAM),
            Self::Watch(error) => complain(&error.to_string()),
        }
        ExitCode::Usage
    }

    /// The same in lines for the log.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = match self {
            Self::Usage(error) => {
                let text = error.to_string();
                without_usage(&text, &text).replacen("error: ", "", 1)
            }
            Self::Together(complaints) => complaints.join("\n"),
            Self::Configuration(error) => error.to_string(),
            Self::NoProgram => NO_PROGRAM.to_owned(),
            Self::Watch(error) => error.to_string(),
        };
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }
}

/// Tells an error and returns what to exit with; with the place in the configuration file that it comes from, if it
/// does.
pub(crate) fn report(error: &CommandError, resolved: &Resolved) -> ExitCode {
    match resolved.in_its_place(error) {
        Some(text) => {
            complain(&text);
            error.exit_code()
        }
        None => error.report(),
    }
}

/// Tells what is wrong with the command line, as all other errors are told; or the help that it asks for.
fn report_usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // As with `print`.
        let _gone = error.print();
        return ExitCode::Graceful;
    }
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let text = error.render();
    let shown = match takes_colour() {
        true => text.ansi().to_string(),
        false => text.to_string(),
    };
    let shown = match is_help {
        true => shown,
        false => without_usage(&text.to_string(), &shown).replacen("error:", "everport:", 1),
    };
    // As with `complain`.
    let _ = io::stderr().write_all(shown.as_bytes());
    ExitCode::Usage
}

/// The lines that say what is wrong, what was probably meant, and where there is help. `shown` is the plain text, or the
/// same with colours.
fn without_usage(plain: &str, shown: &str) -> String {
    let mut is_usage = false;
    let is_wanted = |line: &str| {
        is_usage = match is_usage {
            true => !line.is_empty(),
            false => line.starts_with("Usage:"),
        };
        !is_usage && !line.is_empty()
    };
    let wanted: Vec<bool> = plain.lines().map(is_wanted).collect();
    let lines = shown.lines().zip(wanted);
    let lines = lines.filter_map(|(line, is_wanted)| is_wanted.then_some(line));
    lines.map(|line| format!("{line}\n")).collect()
}

fn takes_colour() -> bool {
    let is_set = |name, value: &str| std::env::var_os(name).is_some_and(|it| it == value);
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !no_color && !is_set("TERM", "dumb")
}
