//! Where the log goes beside files, as the command line names it.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Arg, Command};

/// A place for the log that is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LogTarget {
    Stdout,
    /// With its socket unless that is the usual one.
    Journald(Option<PathBuf>),
    Syslog(Option<PathBuf>),
}

/// Why a text names no such place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place for the log (give stdout, journald or syslog; a file is --log-file)")]
pub(super) struct LogTargetError;

/// Takes the name of a place, and knows the names for completions: what the parser for a fixed set of values would
/// refuse is a name with a socket.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogTargetParser;

impl TypedValueParser for LogTargetParser {
    type Value = LogTarget;

    fn parse_ref(
        &self,
        command: &Command,
        option: Option<&Arg>,
        value: &OsStr,
    ) -> Result<LogTarget, clap::Error> {
        TypedValueParser::parse_ref(&parse, command, option, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let names = ["stdout", "journald", "syslog"];
        Some(Box::new(names.into_iter().map(PossibleValue::new)))
    }
}

/// The place that a text names: `syslog`, or `syslog:/run/other/socket`.
fn parse(text: &str) -> Result<LogTarget, LogTargetError> {
    let (name, socket) = match text.split_once(':') {
        Some((_, "")) => return Err(LogTargetError),
        Some((name, socket)) => (name, Some(PathBuf::from(socket))),
        None => (text, None),
    };
    match (name, socket) {
        ("stdout", None) => Ok(LogTarget::Stdout),
        ("journald", socket) => Ok(LogTarget::Journald(socket)),
        ("syslog", socket) => Ok(LogTarget::Syslog(socket)),
        _ => Err(LogTargetError),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_names_and_some_a_socket() {
        let socket = || Some(PathBuf::from("/run/log:1"));
        assert_eq!(parse("stdout"), Ok(LogTarget::Stdout));
        assert_eq!(parse("journald"), Ok(LogTarget::Journald(None)));
        assert_eq!(
            parse("journald:/run/log:1"),
            Ok(LogTarget::Journald(socket()))
        );
        assert_eq!(parse("syslog:/run/log:1"), Ok(LogTarget::Syslog(socket())));
    }

    #[test]
    fn other_texts_name_none() {
        for text in [
            "",
            "stderr",
            "stdout:/x",
            "syslog:",
            "/var/log/x",
            "Journald",
        ] {
            assert_eq!(parse(text), Err(LogTargetError), "{text}");
        }
    }
}
