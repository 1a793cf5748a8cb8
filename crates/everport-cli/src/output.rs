//! What the command itself prints: to standard output, or as an error.

use std::io::{self, IsTerminal, Write};

use clap::error::ErrorKind;
use everport::cli::ExitCode;

use crate::configuration::Refusal;

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
            Self::Usage(error) => return report_usage(error, "everport:"),
            Self::Together(path, error) => {
                let together = format!(
                    "everport: {} and the command line together:",
                    path.display()
                );
                return report_usage(error, &together);
            }
            Self::Configuration(error) => complain(&error.to_string()),
            Self::NoProgram => complain(NO_PROGRAM),
            Self::Watch(error) => complain(&error.to_string()),
        }
        ExitCode::Usage
    }

    /// The same in lines for the log.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = match self {
            Self::Usage(error) | Self::Together(_, error) => error.to_string(),
            Self::Configuration(error) => error.to_string(),
            Self::NoProgram => NO_PROGRAM.to_owned(),
            Self::Watch(error) => error.to_string(),
        };
        let lines = text.lines().filter(|line| !line.is_empty());
        lines.map(str::to_owned).collect()
    }
}

/// Tells what is wrong with the command line, as all other errors are told; or the help that it asks for.
fn report_usage(error: &clap::Error, prefix: &str) -> ExitCode {
    if !error.use_stderr() {
        // As with `print`.
        let _gone = error.print();
        return ExitCode::Graceful;
    }
    let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    let text = error.render();
    let text = match takes_colour() {
        true => text.ansi().to_string(),
        false => text.to_string(),
    };
    let text = match is_help {
        true => text,
        false => text.replacen("error:", prefix, 1),
    };
    // As with `complain`.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::Usage
}

fn takes_colour() -> bool {
    let is_set = |name, value: &str| std::env::var_os(name).is_some_and(|it| it == value);
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    io::stderr().is_terminal() && !no_color && !is_set("TERM", "dumb")
}
