//! `everport check`: what is in force, where it comes from, and what is wrong.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::Path;

use clap::Arg;
use everport::cli::{CommandError, DerivedDefault, ExitCode};
use everport::watcher::{Program, StartError};

use crate::configuration::{Position, Refusal, Resolved, Setting, is_given, keys};
use crate::{negation, output, watch};

/// Tells what is in force, and what would keep it from running. Nothing is bound, written or started.
pub(crate) fn check(resolved: &Resolved) -> ExitCode {
    let is_named = !resolved.arguments.program.is_empty();
    let program = is_named.then(|| crate::find_program(&resolved.arguments));
    let found = program.as_ref().and_then(|program| program.as_ref().ok());
    output::print(describe(resolved, found).as_bytes());
    let unnamed = (!is_named).then(|| Refusal::NoProgram.report());
    let unwatched = watch::check(&resolved.arguments).err();
    let unwatched = unwatched.map(|error| Refusal::Watch(error).report());
    let problems = problems(resolved, program).into_iter();
    // All are told, and the first is what `run` would end with.
    let codes: Vec<ExitCode> = problems
        .map(|problem| output::report(&problem, resolved))
        .collect();
    let refused = unnamed.into_iter().chain(unwatched);
    let code = refused.chain(codes).next();
    if code.is_none() {
        output::print(b"nothing is wrong\n");
    }
    code.unwrap_or(ExitCode::Graceful)
}

fn problems(
    resolved: &Resolved,
    program: Option<Result<Program, StartError>>,
) -> Vec<CommandError> {
    let (program, missing) = match program {
        Some(Ok(program)) => (Some(program), None),
        Some(Err(error)) => (None, Some(error.into())),
        None => (None, None),
    };
    let others = everport::cli::check(&resolved.arguments.cluster, program);
    missing.into_iter().chain(others).collect()
}

/// One option's value, or one of its values.
struct Row {
    name: String,
    value: String,
    origin: String,
}

fn describe(resolved: &Resolved, program: Option<&Program>) -> String {
    let mut rows = vec![configuration(resolved)];
    rows.extend(program_rows(resolved, program));
    let command = resolved.command();
    let derived = resolved.arguments.cluster.derived_defaults();
    for option in keys::options(&command) {
        rows.extend(option_rows(resolved, option, &derived));
    }
    table(&rows)
}

fn configuration(resolved: &Resolved) -> Row {
    let (value, origin) = match &resolved.file {
        Some(path) if resolved.arguments.config.is_some() => (visible(path), "command line"),
        Some(path) => (visible(path), "it is here"),
        None if resolved.arguments.no_config => ("none".to_owned(), "command line"),
        None => ("none".to_owned(), "default"),
    };
    Row {
        name: "configuration file".to_owned(),
        value,
        origin: origin.to_owned(),
    }
}

fn program_rows(resolved: &Resolved, program: Option<&Program>) -> Vec<Row> {
    let words: Vec<String> = resolved.arguments.program.iter().map(visible).collect();
    let origin = match &resolved.configuration.program {
        Some(program) => at(resolved, program.at),
        None if words.is_empty() => "nowhere".to_owned(),
        None => "command line".to_owned(),
    };
    let mut rows = vec![Row {
        name: "program".to_owned(),
        value: words.join(" "),
        origin,
    }];
    if let Some(program) = program {
        rows.push(Row {
            name: String::new(),
            value: visible(program.path()),
            origin: "found".to_owned(),
        });
    }
    rows
}

fn option_rows(resolved: &Resolved, option: &Arg, derived: &[DerivedDefault]) -> Vec<Row> {
    let id = option.get_id().as_str();
    let from_file = resolved.configuration.settings.iter();
    let mut values: Vec<(String, String)> = from_file
        .filter(|setting| setting.id == id)
        .map(|setting: &Setting| (visible(&setting.value), at(resolved, setting.at)))
        .collect();
    let given = values_given(resolved, option);
    values.extend(given.map(|value| (value, "command line".to_owned())));
    if keys::is_keyed(option) {
        for (variable, _) in &mut values {
            *variable = without_value(variable);
        }
    }
    if values.is_empty() {
        values.push(default(option, derived));
    }
    let names = std::iter::once(option.get_long().unwrap_or_default()).chain(std::iter::repeat(""));
    let row = |(name, (value, origin)): (&str, (String, String))| Row {
        name: name.to_owned(),
        value,
        origin,
    };
    names.zip(values).map(row).collect()
}

fn values_given<'a>(resolved: &'a Resolved, option: &Arg) -> impl Iterator<Item = String> + 'a {
    let id = option.get_id().as_str();
    let is_flag = negation::is_flag(option);
    let is_given = is_given(&resolved.given, id);
    let flag = match is_flag {
        true if is_given => Some("true"),
        true if negation::is_given(id, &resolved.given) => Some("false"),
        _ => None,
    };
    let values = (is_given && !is_flag).then(|| resolved.given.get_raw(id));
    let values = values.flatten().into_iter().flatten().map(visible);
    flag.map(str::to_owned).into_iter().chain(values)
}

/// What holds when nobody says anything: what follows from other things, and from which, or else the parser's default,
/// or the one that the help tells.
fn default(option: &Arg, derived: &[DerivedDefault]) -> (String, String) {
    let mut derived = derived.iter();
    match derived.find(|it| Some(it.option) == option.get_long()) {
        Some(DerivedDefault { value, why, .. }) => (visible(value), format!("default ({why})")),
        None => (fixed_default(option), "default".to_owned()),
    }
}

fn fixed_default(option: &Arg) -> String {
    if negation::is_flag(option) {
        return "false".to_owned();
    }
    if let Some(value) = option.get_default_values().first() {
        return visible(value);
    }
    let help = option.get_help().map(ToString::to_string);
    let told = help.as_deref().and_then(|help| {
        let (_, rest) = help.split_once("[default: ")?;
        rest.split(']').next()
    });
    told.unwrap_or("none").to_owned()
}

fn at(resolved: &Resolved, position: Position) -> String {
    let path = resolved.file.as_deref().unwrap_or(Path::new(""));
    format!("{}:{position}", visible(path))
}

/// A text from outside, with what could drive a terminal made visible.
fn visible(text: impl AsRef<OsStr>) -> String {
    let text = text.as_ref().to_string_lossy();
    let show = |character: char| match character.is_control() {
        true => character.escape_default().to_string(),
        false => character.to_string(),
    };
    text.chars().map(show).collect()
}

/// A variable with its name only. Its value may be a secret, and what we tell is passed on to whoever is to help.
fn without_value(variable: &str) -> String {
    let (name, _) = variable.split_once('=').unwrap_or((variable, ""));
    format!("{name}=…")
}

/// Columns; a value that is too long for its own pushes its origin away, and nobody else's.
fn table(rows: &[Row]) -> String {
    const WIDEST: usize = 40;
    let width = |texts: &dyn Fn(&Row) -> usize| rows.iter().map(texts).max().unwrap_or(0);
    let names = width(&|row| row.name.chars().count());
    let values = width(&|row| row.value.chars().count()).min(WIDEST);
    let mut text = String::new();
    for Row {
        name,
        value,
        origin,
    } in rows
    {
        // Writing to a String does not fail.
        let _ = writeln!(text, "{name:<names$}  {value:<values$}  {origin}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_drive_a_terminal_is_shown() {
        assert_eq!(visible("a\x1b[2Jb"), "a\\u{1b}[2Jb");
    }

    #[test]
    fn every_default_is_told() {
        let command = crate::arguments::definition();
        let run = command.find_subcommand("run").unwrap();
        let of = |key: &str| {
            let option = keys::options(run).find(|option| option.get_long() == Some(key));
            fixed_default(option.unwrap())
        };
        assert_eq!(of("name"), "watcher");
        assert_eq!(of("settle"), "1");
        assert_eq!(of("core-dumps"), "false");
        assert_eq!(of("max-memory"), "none");
    }
}
