//! What is in force: the command line, then the file, then the defaults.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, Command, FromArgMatches};
use everport::cli::{CommandError, LogArgsError};
use everport::log::Level;

use super::together::Together;
use super::{Configuration, ConfigurationError, place};
use crate::arguments::{Arguments, Command as Asked, Given, RunArguments, definition};
use crate::watch::WatchError;

/// Why nothing is run.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The command line is wrong, or asks for its own help.
    Usage(clap::Error),
    /// The file is wrong.
    Configuration(ConfigurationError),
    /// Options need others that are missing: a line for each.
    Together(Vec<String>),
    /// Neither says what to run.
    NoProgram,
    /// What is to be watched cannot be.
    Watch(WatchError),
}

/// Everything that is in force, and where it comes from.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) arguments: RunArguments,
    /// The command line alone.
    pub(crate) given: ArgMatches,
    /// The file that is in force.
    pub(crate) file: Option<PathBuf>,
    /// What of it is.
    pub(crate) configuration: Configuration,
    words: Vec<OsString>,
    /// Both together, as the command line's parser sees them.
    matches: ArgMatches,
}

/// Completes the words of `everport run` or `everport check`, which begin with these two and were parsed, by the file that
/// they name or the usual one.
pub(crate) fn resolve(words: Vec<OsString>, given: Given) -> Result<Resolved, Refusal> {
    let is_incomplete = given.is_incomplete;
    let (arguments, given) = options_in(&given.matches).map_err(Refusal::Usage)?;
    let file = match (arguments.no_config, &arguments.config) {
        (true, _) => None,
        (false, Some(named)) => Some(named.clone()),
        (false, None) => place::usual(),
    };
    if file.is_none() && !is_incomplete {
        // There is nothing to parse once more.
        return Ok(Resolved {
            arguments,
            matches: given.clone(),
            given,
            file,
            configuration: Configuration::default(),
            words,
        });
    }
    with_file(words, given, file)
}

impl Resolved {
    /// The level of the log as it would be if the command were started now with the same words and the same file.
    pub(crate) fn reread_log_level(&self) -> Result<Level, Refusal> {
        let again = with_file(self.words.clone(), self.given.clone(), self.file.clone())?;
        Ok(again.log_level())
    }

    pub(crate) fn log_level(&self) -> Level {
        let level = self.matches.get_one("log_level");
        // The option has a default.
        level.copied().unwrap_or(Level::Info)
    }

    /// An error about options that do not go together, with the place of the one that asks for what cannot be, if that
    /// is in the file.
    pub(crate) fn in_its_place(&self, error: &CommandError) -> Option<String> {
        let CommandError::LogArgs(LogArgsError::NothingToFormat) = error else {
            return None;
        };
        let path = self.file.as_deref()?;
        let place = self.configuration.place_of_key("log_format")?;
        // There, options stand without their dashes.
        let what = error.to_string().replace("--", "");
        Some(format!("{}:{place}: {what}", path.display()))
    }

    /// The definition of the options.
    pub(crate) fn command(&self) -> Command {
        options_of(&self.words)
    }
}

fn with_file(
    words: Vec<OsString>,
    given: ArgMatches,
    file: Option<PathBuf>,
) -> Result<Resolved, Refusal> {
    let mut configuration = match &file {
        Some(path) => {
            Configuration::read(path, &options_of(&words)).map_err(Refusal::Configuration)?
        }
        None => Configuration::default(),
    };
    configuration.yield_to(&given);
    let (command, rest) = words.split_at(2.min(words.len()));
    let merged: Vec<OsString> = command
        .iter()
        .cloned()
        .chain(configuration.words())
        .chain(rest.iter().cloned())
        .collect();
    let refused = |error| {
        let together = Together {
            file: file.as_deref(),
            configuration: &configuration,
            given: &given,
            command: &options_of(&words),
        };
        let complaints = together.complaints(&error);
        match complaints.is_empty() {
            true => Refusal::Usage(error),
            false => Refusal::Together(complaints),
        }
    };
    let (mut arguments, matches) = definition()
        .try_get_matches_from(&merged)
        .and_then(|matches| options_in(&matches))
        .map_err(refused)?;
    if let Some(program) = &configuration.program {
        let words = std::iter::once(program).chain(&configuration.arguments);
        arguments.program = words.map(|word| word.word.clone()).collect();
    }
    Ok(Resolved {
        arguments,
        given,
        file,
        configuration,
        words,
        matches,
    })
}

fn options_in(matches: &ArgMatches) -> Result<(RunArguments, ArgMatches), clap::Error> {
    let arguments = match Arguments::from_arg_matches(matches)?.command {
        Asked::Run(arguments) | Asked::Check(arguments) => arguments,
        Asked::Completions { .. } | Asked::Man => {
            unreachable!("only the words of run and check are resolved")
        }
    };
    match matches.subcommand() {
        Some((_, matches)) => Ok((arguments, matches.clone())),
        None => unreachable!("it has a subcommand, which was parsed"),
    }
}

/// The options of `run`, which are those of `check`.
fn options_of(words: &[OsString]) -> Command {
    let name = words.get(1).and_then(|word| word.to_str()).unwrap_or("run");
    let definition = definition();
    let command = definition.find_subcommand(name).cloned();
    command.unwrap_or_else(|| Command::new("run"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::parse_incomplete;

    /// The level after a start with these words and a file, and after the file has become another one.
    fn levels(given: &[&str], before: &str, after: &str) -> [Level; 2] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("everport.toml");
        let write = |text: &str| std::fs::write(&path, text).unwrap();
        write(before);
        let words = ["everport", "run", "--config"].map(OsString::from);
        let words = words.into_iter().chain([path.clone().into_os_string()]);
        let words: Vec<_> = words.chain(given.iter().map(OsString::from)).collect();
        let given = parse_incomplete(&words).unwrap();
        let resolved = resolve(words, given).unwrap();
        let first = resolved.log_level();
        write(after);
        [first, resolved.reread_log_level().unwrap()]
    }

    #[test]
    fn the_level_follows_the_file_unless_the_command_line_has_one() {
        let [debug, warn] = ["log-level = 'debug'", "log-level = 'warn'"];
        assert_eq!(levels(&[], debug, warn), [Level::Debug, Level::Warn]);
        assert_eq!(levels(&[], debug, ""), [Level::Debug, Level::Info]);
        let given = ["--log-level", "trace"];
        assert_eq!(levels(&given, debug, warn), [Level::Trace, Level::Trace]);
    }
}
