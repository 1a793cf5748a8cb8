//! Which option needs another one beside it that is missing, and where it stands.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command};

use super::{Configuration, Setting, is_given, keys};
use crate::negation;

/// Everything that is in force, and could not be parsed because something is missing.
pub(super) struct Together<'a> {
    pub(super) file: Option<&'a Path>,
    pub(super) configuration: &'a Configuration,
    pub(super) given: &'a ArgMatches,
    pub(super) command: &'a Command,
}

impl Together<'_> {
    /// A line for each option that needs what is missing; none if the error is about something else.
    pub(super) fn complaints(&self, error: &clap::Error) -> Vec<String> {
        let missing = needs(error);
        let from_file = self.configuration.settings.iter();
        let from_file = from_file.filter_map(|setting| self.complaint_in_file(setting, &missing));
        let given =
            keys::options(self.command).filter(|it| is_given(self.given, it.get_id().as_str()));
        let given = given.filter_map(|option| self.complaint_on_command_line(option, &missing));
        let mut complaints: Vec<String> = from_file.chain(given).collect();
        complaints.dedup();
        complaints
    }

    fn complaint_in_file(&self, setting: &Setting, missing: &[Vec<String>]) -> Option<String> {
        let asks_for = self.asks_for(setting.word.clone()?, missing)?;
        let Setting { key, key_at, .. } = setting;
        let file = self.file.unwrap_or(Path::new("")).display();
        Some(format!(
            "{file}:{key_at}: {key} needs {}",
            asks_for.join(" or ")
        ))
    }

    fn complaint_on_command_line(&self, option: &Arg, missing: &[Vec<String>]) -> Option<String> {
        let long = option.get_long()?;
        let mut word = OsString::from(format!("--{long}"));
        if !negation::is_flag(option) {
            word.push("=");
            word.push(self.given.get_raw(option.get_id().as_str())?.next()?);
        }
        let asks_for = self.asks_for(word, missing)?.join(" or --");
        Some(format!("--{long} needs --{asks_for}"))
    }

    /// What of that which is missing an option asks for: the parser tells when it is given the option alone.
    fn asks_for(&self, word: OsString, missing: &[Vec<String>]) -> Option<Vec<String>> {
        let words = [OsString::from("run"), word];
        let error = self.command.clone().try_get_matches_from(words).err()?;
        needs(&error)
            .into_iter()
            .find(|need| missing.contains(need))
    }
}

/// What is missing, by long names: of each list, one option is needed.
fn needs(error: &clap::Error) -> Vec<Vec<String>> {
    let alternatives = |text: &String| {
        let words = text.split(|character: char| " |<>".contains(character));
        let names = words.filter_map(|word| word.strip_prefix("--"));
        names.map(str::to_owned).collect::<Vec<String>>()
    };
    match (error.kind(), error.get(ContextKind::InvalidArg)) {
        (ErrorKind::MissingRequiredArgument, Some(ContextValue::Strings(missing))) => {
            missing.iter().map(alternatives).collect()
        }
        _ => Vec::new(),
    }
}
