//! The command line: subcommands, help, and the short form without `run`.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use everport::cli::ClusterArgs;

/// Run many workers of one server program on the same port, and keep that port serving whatever happens
#[derive(Debug, Parser)]
#[command(
    name = "everport",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    override_usage = "everport run [OPTIONS] [--] PROGRAM [ARGS]...\n       everport PROGRAM [ARGS]...",
    after_help = "Try `everport run --help` for options, signals, exit codes and examples."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a cluster of PROGRAM until it is told to stop
    Run(RunArguments),
}

/// What to run, and how.
#[derive(Debug, Args)]
#[command(
    override_usage = "everport run [OPTIONS] [--] PROGRAM [ARGS]...",
    after_help = AFTER_HELP
)]
pub(crate) struct RunArguments {
    #[command(flatten)]
    pub(crate) cluster: ClusterArgs,

    /// Restart, one worker after the other, when this file or anything in this directory changes; may be repeated
    #[arg(long, value_name = "PATH", help_heading = "Development")]
    pub(crate) watch: Vec<PathBuf>,

    /// The program each worker runs, and its arguments
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_name = "PROGRAM [ARGS]")]
    program: Vec<OsString>,
}

const AFTER_HELP: &str = "\
Signals:
  TERM, INT    stop: workers drain; a second one kills them
  QUIT         stop at once: workers are killed
  USR1         rolling restart
  TTIN, TTOU   one worker more, one fewer

Exit codes:
  0 stopped       1 internal failure      2 wrong arguments    3 no worker was ever ready
  4 crash loop    5 a port was refused    6 pid or log file    7 runs already (pid file)
  8 forced      126 not executable      127 no such program

Examples:
  everport run -w 4 ./server
  everport run -w 4 -p /run/shop.pid -f /var/log/shop.log ./server
  everport ./server --verbose
  kill -USR1 $(cat /run/shop.pid)";

impl RunArguments {
    /// What to run, as it was written.
    pub(crate) fn program(&self) -> &OsStr {
        self.program
            .first()
            .map_or(OsStr::new(""), OsString::as_os_str)
    }

    /// What to run it with.
    pub(crate) fn program_arguments(&self) -> &[OsString] {
        self.program.get(1..).unwrap_or_default()
    }
}

/// `everport PROGRAM …` is short for `everport run PROGRAM …`: inserts `run` unless the first argument is
/// something else that the command knows.
pub(crate) fn with_run(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut words: Vec<OsString> = words.collect();
    if words.get(1).is_some_and(|first| !is_known(first)) {
        words.insert(1, "run".into());
    }
    if words.get(1).is_some_and(|first| first == "help") {
        words[1] = "--help".into();
    }
    words
}

fn is_known(word: &OsStr) -> bool {
    ["run", "help", "-h", "--help", "-V", "--version"]
        .iter()
        .any(|known| word == *known)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let words = std::iter::once("everport").chain(text.split_whitespace());
        let words = with_run(words.map(OsString::from));
        let Command::Run(run) = Arguments::try_parse_from(words).unwrap().command;
        let program: Vec<&OsStr> = std::iter::once(run.program())
            .chain(run.program_arguments().iter().map(OsString::as_os_str))
            .collect();
        assert_eq!(program, expected, "{text}");
    }

    #[test]
    fn run_may_be_left_out() {
        check("run ./server", &["./server"]);
        check("./server", &["./server"]);
        check("-w 4 ./server", &["./server"]);
        check("-- run", &["run"]);
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
    fn the_parser_is_consistent() {
        Arguments::command().debug_assert();
    }
}
