//! The command line: subcommands, help, and the short form without `run`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};
use everport::cli::ClusterArgs;

use crate::{negation, reference};

/// Run many workers of one server program on the same port, and keep that port serving whatever happens
#[derive(Debug, Parser)]
#[command(
    name = "everport",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 80,
    override_usage = "everport run [OPTIONS] [--] PROGRAM [ARGS]...\n       everport PROGRAM [ARGS]...",
    after_help = "`everport run -h` lists the options; `everport run --help` adds signals, exit\n\
                  codes and examples; `everport man | man -l -` is the manual page."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a cluster of PROGRAM until it is told to stop
    #[command(
        override_usage = "everport run [OPTIONS] [--] [PROGRAM [ARGS]...]",
        after_help = "`--help` adds the configuration file, signals, exit codes and examples.",
        after_long_help = reference::after_options()
    )]
    Run(RunArguments),

    /// Say which options are in force and what is wrong, and start nothing
    #[command(
        override_usage = "everport check [OPTIONS] [--] [PROGRAM [ARGS]...]",
        after_help = "Exits with 0, or with what `everport run` would exit with."
    )]
    Check(RunArguments),

    /// Print the completions for a shell
    Completions {
        /// The shell: bash, zsh or fish
        #[arg(value_name = "SHELL", hide_possible_values = true,
            value_parser = PossibleValuesParser::new(["bash", "zsh", "fish"]))]
        shell: String,
    },

    /// Print the manual page
    Man,
}

/// What to run, and how.
#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,

    /// Restart the workers one by one when this file, or anything in this directory, changes; may be repeated
    #[arg(long, value_name = "PATH", value_hint = ValueHint::AnyPath, help_heading = DEVELOPMENT)]
    pub(crate) watch: Vec<PathBuf>,

    /// Read options from this file [default: everport.toml, if there is one here]
    #[arg(short, long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = CONFIGURATION)]
    pub(crate) config: Option<PathBuf>,

    /// Read no configuration file
    #[arg(long, conflicts_with = "config", help_heading = CONFIGURATION)]
    pub(crate) no_config: bool,

    /// The program each worker runs, and its arguments
    #[arg(num_args = 1.., trailing_var_arg = true, value_name = "PROGRAM [ARGS]",
        value_hint = ValueHint::CommandWithArguments)]
    pub(crate) program: Vec<OsString>,
}

const DEVELOPMENT: &str = "Development";
const CONFIGURATION: &str = "Configuration file";

/// What cannot stand in a configuration file, because it says which one to read.
pub(crate) const ABOUT_THE_FILE: [&str; 2] = ["config", "no-config"];

/// The whole command line. Everything else that knows options (help, completions, the manual page, the keys of the
/// configuration file) is made from this.
pub(crate) fn definition() -> clap::Command {
    Arguments::command().mut_subcommands(negation::allow)
}

/// A command line as its parser sees it.
pub(crate) struct Given {
    pub(crate) matches: ArgMatches,
    /// Whether an option lacks another one that it needs.
    pub(crate) is_incomplete: bool,
}

/// Parses a command line that may yet be completed by a file: what an option needs beside it can stand there.
pub(crate) fn parse_incomplete(words: &[OsString]) -> Result<Given, clap::Error> {
    match definition().try_get_matches_from(words) {
        Err(error) if error.kind() == ErrorKind::MissingRequiredArgument => {
            // It was all parsed before it was found to be incomplete.
            let matches = definition()
                .ignore_errors(true)
                .try_get_matches_from(words)?;
            match Arguments::from_arg_matches(&matches) {
                Ok(_) => Ok(Given {
                    matches,
                    is_incomplete: true,
                }),
                Err(_) => Err(error),
            }
        }
        parsed => Ok(Given {
            matches: parsed?,
            is_incomplete: false,
        }),
    }
}

/// `everport PROGRAM …` is short for `everport run PROGRAM …`: inserts `run` unless the first argument is
/// something else that the command knows.
pub(crate) fn with_run(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    if words.get(1).is_some_and(|first| first == "help") {
        words.remove(1);
        let topic = words.get(1).filter(|topic| is_subcommand(topic)).cloned();
        words.truncate(1);
        words.extend(topic);
        words.push("--help".into());
    }
    if words.get(1).is_some_and(|first| !is_known(first)) {
        words.insert(1, "run".into());
    }
    words
}

fn is_known(word: &OsStr) -> bool {
    let is_option = ["-h", "--help", "-V", "--version"]
        .iter()
        .any(|known| word == *known);
    is_option || is_subcommand(word)
}

fn is_subcommand(word: &OsStr) -> bool {
    // Without the definitions of all their options, which would take longer than the rest of a start.
    word.to_str().is_some_and(Command::has_subcommand)
}

/// The subcommand that a word is, or resembles.
pub(crate) fn resembles_subcommand(word: &OsStr) -> Option<String> {
    if is_subcommand(word) {
        return word.to_str().map(str::to_owned);
    }
    let words = [OsStr::new("everport"), word];
    let error = Arguments::command().try_get_matches_from(words).err()?;
    match error.get(ContextKind::SuggestedSubcommand)? {
        ContextValue::String(name) => Some(name.clone()),
        ContextValue::Strings(names) => names.first().cloned(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let words = std::iter::once("everport").chain(text.split_whitespace());
        let words = with_run(words.map(OsString::from));
        let Command::Run(run) = Arguments::try_parse_from(words).unwrap().command else {
            panic!("not run: {text}");
        };
        assert_eq!(run.program, expected, "{text}");
    }

    #[test]
    fn run_may_be_left_out() {
        check("run ./server", &["./server"]);
        check("./server", &["./server"]);
        check("-w 4 ./server", &["./server"]);
        check("-- run", &["run"]);
        check("run check", &["check"]);
    }

    #[test]
    fn what_follows_the_program_belongs_to_it() {
        check(
            "run -w 4 ./server -w 5 --help",
            &["./server", "-w", "5", "--help"],
        );
        check("run -w 4 -- ./server -- x", &["./server", "--", "x"]);
        check(
            "./server --version -- x",
            &["./server", "--version", "--", "x"],
        );
        check("run -- --odd", &["--odd"]);
    }

    #[test]
    fn help_of_a_subcommand_is_its_own() {
        let words = ["everport", "help", "run"].map(OsString::from);
        assert_eq!(with_run(words.into_iter()), ["everport", "run", "--help"]);
        let words = ["everport", "help", "me"].map(OsString::from);
        assert_eq!(with_run(words.into_iter()), ["everport", "--help"]);
    }

    #[test]
    fn a_slip_is_recognised_and_a_program_is_not_taken_for_one() {
        let check = |word: &str, expected: Option<&str>| {
            let resembled = resembles_subcommand(OsStr::new(word));
            assert_eq!(resembled.as_deref(), expected, "{word}");
        };
        check("chekc", Some("check"));
        check("completion", Some("completions"));
        check("run", Some("run"));
        check("server", None);
        check("./server", None);
    }

    #[test]
    fn the_parser_is_consistent() {
        definition().debug_assert();
    }
}
