//! The keys of the file: the options of the command line, by their long names.

use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, ValueHint};

use crate::arguments::ABOUT_THE_FILE;
use crate::negation;

/// The program that workers run.
pub(super) const PROGRAM: &str = "program";

/// What it is run with.
pub(super) const PROGRAM_ARGUMENTS: &str = "args";

/// The options that can stand in the file.
pub(crate) fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|option| {
        let is_general = matches!(
            option.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        );
        let is_about_the_file = option
            .get_long()
            .is_none_or(|long| ABOUT_THE_FILE.contains(&long));
        !is_general && !is_about_the_file && !negation::is_negation(option)
    })
}

/// The option that a key stands for.
pub(super) fn option<'a>(command: &'a Command, key: &str) -> Option<&'a Arg> {
    options(command).find(|option| option.get_long() == Some(key))
}

/// Whether it may be given several times.
pub(super) fn is_list(option: &Arg) -> bool {
    matches!(option.get_action(), ArgAction::Append)
}

/// Whether each of its values has a name of its own: `KEY=VALUE`.
pub(crate) fn is_keyed(option: &Arg) -> bool {
    let names = option.get_value_names().unwrap_or_default();
    is_list(option) && names.iter().any(|name| name.contains('='))
}

/// Whether it leads to a file or directory.
pub(super) fn is_path(option: &Arg) -> bool {
    matches!(
        option.get_value_hint(),
        ValueHint::AnyPath | ValueHint::FilePath | ValueHint::DirPath
    )
}

/// The key that was probably meant.
pub(super) fn nearest(command: &Command, key: &str) -> Option<String> {
    let known = options(command).filter_map(|option| option.get_long());
    let known = known.chain([PROGRAM, PROGRAM_ARGUMENTS]);
    let probe = Command::new("keys")
        .disable_help_flag(true)
        .args(known.map(|key| Arg::new(key.to_owned()).long(key.to_owned())));
    let words = ["keys".to_owned(), format!("--{key}=")];
    let error = probe.try_get_matches_from(words).err()?;
    let suggested = match error.get(ContextKind::SuggestedArg)? {
        ContextValue::String(option) => option.clone(),
        ContextValue::Strings(options) => options.first()?.clone(),
        _ => return None,
    };
    Some(suggested.trim_start_matches("--").to_owned())
}
