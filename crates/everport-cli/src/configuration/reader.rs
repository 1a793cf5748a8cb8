//! Reads a text as TOML, and each entry as what the command line would make of it.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::{self, PROGRAM, PROGRAM_ARGUMENTS};
use super::position::{Complaint, Position};
use super::{Configuration, FromFile, Setting};
use crate::arguments::ABOUT_THE_FILE;
use crate::negation;

/// A value as it stands in the file.
type Value<'a> = Spanned<DeValue<'a>>;

/// Reads a text. Paths in it are relative to a directory. Everything that is wrong is told, not just the first thing.
pub(super) fn read(
    text: &str,
    directory: &Path,
    command: &Command,
) -> Result<Configuration, Vec<Complaint>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader {
        text,
        directory,
        command,
        found: Configuration::default(),
        complaints: Vec::new(),
    };
    for error in errors {
        let byte = error.span().map_or(0, |span| span.start);
        reader.complain(byte, error.message());
    }
    // More about the same line is what follows from the first thing.
    reader
        .complaints
        .dedup_by_key(|complaint| complaint.at.line);
    let broken: Vec<usize> = reader.complaints.iter().map(|it| it.at.line).collect();
    reader.read_table(table.get_ref());
    let Reader {
        mut found,
        mut complaints,
        ..
    } = reader;
    // What is said about a line that could not even be read is guesswork.
    let syntax = broken.len();
    let mut place = 0;
    complaints.retain(|complaint| {
        place += 1;
        place <= syntax || !broken.contains(&complaint.at.line)
    });
    if !complaints.is_empty() {
        complaints.sort_by_key(|complaint| complaint.at);
        return Err(complaints);
    }
    found.settings.sort_by_key(|setting| setting.at);
    Ok(found)
}

struct Reader<'a> {
    text: &'a str,
    directory: &'a Path,
    command: &'a Command,
    found: Configuration,
    complaints: Vec<Complaint>,
}

impl Reader<'_> {
    fn complain(&mut self, byte: usize, what: impl Into<String>) {
        let at = Position::of(byte, self.text);
        let what = what.into();
        self.complaints.push(Complaint { at, what });
    }

    fn read_table(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            match name {
                PROGRAM => self.read_program(value),
                PROGRAM_ARGUMENTS => self.read_program_arguments(value),
                _ => match keys::option(self.command, name) {
                    Some(option) => self.read_option(option, name, value),
                    None => self.refuse_key(name, key.span()),
                },
            }
        }
        if let (None, Some(first)) = (&self.found.program, self.found.arguments.first()) {
            let what = "args: there is no `program` that they could belong to";
            let at = first.at;
            self.complaints.push(Complaint {
                at,
                what: what.to_owned(),
            });
        }
    }

    fn refuse_key(&mut self, key: &str, span: Range<usize>) {
        if ABOUT_THE_FILE.contains(&key) {
            let what = format!("{key}: only the command line can say which file to read");
            return self.complain(span.start, what);
        }
        let hint = match keys::nearest(self.command, key) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => "a key is the long name of an option: see `everport run -h`".to_owned(),
        };
        self.complain(
            span.start,
            format!("unknown key: {} ({hint})", key.escape_debug()),
        );
    }

    fn read_program(&mut self, value: &Value<'_>) {
        let DeValue::String(name) = value.get_ref() else {
            let what =
                "program: not a text (write program = \"./server\", and its arguments as args)";
            return self.complain(value.span().start, what);
        };
        // As on the command line: with a slash it is a file, else a name that is looked for in PATH.
        let word = match name.contains('/') {
            true => self.relative(name),
            false => name.as_ref().into(),
        };
        let at = Position::of(value.span().start, self.text);
        self.found.program = Some(FromFile { word, at });
    }

    fn read_program_arguments(&mut self, value: &Value<'_>) {
        let DeValue::Array(values) = value.get_ref() else {
            let what = "args: not a list (write args = [\"--verbose\"])";
            return self.complain(value.span().start, what);
        };
        for value in values.iter() {
            match scalar(value.get_ref()) {
                Ok(text) => {
                    let at = Position::of(value.span().start, self.text);
                    let word = text.into();
                    self.found.arguments.push(FromFile { word, at });
                }
                Err(what) => self.complain(value.span().start, format!("args: {what}")),
            }
        }
    }

    fn read_option(&mut self, option: &Arg, key: &str, value: &Value<'_>) {
        match value.get_ref() {
            _ if negation::is_flag(option) => self.read_flag(option, key, value),
            DeValue::Array(values) if keys::is_list(option) => {
                for value in values.iter() {
                    self.read_value(option, key, value);
                }
            }
            DeValue::Table(table) if keys::is_keyed(option) => {
                self.read_pairs(option, key, table);
            }
            DeValue::Array(_) => {
                self.complain(
                    value.span().start,
                    format!("{key}: not one value but a list"),
                );
            }
            _ => self.read_value(option, key, value),
        }
    }

    fn read_flag(&mut self, option: &Arg, key: &str, value: &Value<'_>) {
        let DeValue::Boolean(is_on) = *value.get_ref() else {
            let what = format!("{key}: neither true nor false");
            return self.complain(value.span().start, what);
        };
        let word = is_on.then(|| format!("--{key}").into());
        self.keep(option, value.span(), is_on.to_string().into(), word);
    }

    fn read_pairs(&mut self, option: &Arg, key: &str, pairs: &DeTable<'_>) {
        for (name, value) in pairs {
            if self.is_key(name.get_ref()) {
                self.refuse_pair(key, name);
                continue;
            }
            let text = match value.get_ref() {
                DeValue::Boolean(value) => Ok(value.to_string()),
                value => scalar(value),
            };
            match text {
                Ok(text) => {
                    let pair = format!("{}={text}", name.get_ref());
                    self.keep_value(option, key, name.span(), pair.into());
                }
                Err(what) => {
                    let name = name.get_ref().escape_debug();
                    let what = format!("{key}.{name}: {what}");
                    self.complain(value.span().start, what);
                }
            }
        }
    }

    fn is_key(&self, name: &str) -> bool {
        let is_option = keys::option(self.command, name).is_some();
        is_option || [PROGRAM, PROGRAM_ARGUMENTS].contains(&name)
    }

    /// What follows a table's heading belongs to the table, which is easily overlooked.
    fn refuse_pair(&mut self, key: &str, name: &Spanned<DeString<'_>>) {
        let (span, name) = (name.span(), name.get_ref().escape_debug());
        let what = format!(
            "{key}.{name}: it is an option, and what follows [{key}] belongs to that (move it above [{key}]; a \
             variable of this name is written {key} = [\"{name}=...\"])"
        );
        self.complain(span.start, what);
    }

    fn read_value(&mut self, option: &Arg, key: &str, value: &Value<'_>) {
        match scalar(value.get_ref()) {
            Ok(text) if keys::is_path(option) => {
                self.keep_value(option, key, value.span(), self.relative(&text));
            }
            Ok(text) => self.keep_value(option, key, value.span(), text.into()),
            Err(what) => self.complain(value.span().start, format!("{key}: {what}")),
        }
    }

    /// Keeps a value if the option takes it: the command line's own parser decides.
    fn keep_value(&mut self, option: &Arg, key: &str, span: Range<usize>, value: OsString) {
        let mut word = OsString::from(format!("--{key}="));
        word.push(&value);
        let words = [OsString::from("run"), word.clone()];
        match self.command.clone().try_get_matches_from(words) {
            Err(error) if is_about_the_value(&error) => {
                let what = format!("{key}: {}", what_is_wrong(&error));
                self.complain(span.start, what);
            }
            // What goes with what can be told only when all is there.
            _ => self.keep(option, span, value, Some(word)),
        }
    }

    fn keep(&mut self, option: &Arg, span: Range<usize>, value: OsString, word: Option<OsString>) {
        self.found.settings.push(Setting {
            id: option.get_id().to_string(),
            is_keyed: keys::is_keyed(option),
            at: Position::of(span.start, self.text),
            value,
            word,
        });
    }

    /// A path as it is from the working directory.
    fn relative(&self, path: &str) -> OsString {
        match self.directory.as_os_str().is_empty() || path.is_empty() {
            true => path.into(),
            // Without the `.` in the midst of `/etc/shop/./server`.
            false => {
                let path = self.directory.join(path);
                path.components().collect::<PathBuf>().into()
            }
        }
    }
}

/// A text or number as it would be written on the command line.
fn scalar(value: &DeValue<'_>) -> Result<String, &'static str> {
    let text = match value {
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(_) => return Err("not a text or number but a truth value"),
        DeValue::Datetime(_) => return Err("not a text or number but a date (put it in quotes)"),
        DeValue::Array(_) => return Err("not a text or number but a list"),
        DeValue::Table(_) => return Err("not a text or number but a table"),
    };
    match text.contains('\0') {
        true => Err("it has a NUL in it, which no program can be given"),
        false => Ok(text),
    }
}

fn is_about_the_value(error: &clap::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::MissingRequiredArgument | ErrorKind::ArgumentConflict
    )
}

/// The command line's reason, without the words that only a command line has.
fn what_is_wrong(error: &clap::Error) -> String {
    use std::error::Error;
    if let Some(reason) = error.source() {
        return reason.to_string();
    }
    let context = |kind| error.get(kind).map(ContextValue::to_string);
    let given = context(ContextKind::InvalidValue).unwrap_or_default();
    if given.is_empty() {
        return "no value".to_owned();
    }
    let given = given.escape_debug();
    match (
        context(ContextKind::SuggestedValue),
        context(ContextKind::ValidValue),
    ) {
        (Some(nearest), _) => format!("not known: {given} (did you mean `{nearest}`?)"),
        (None, Some(known)) => format!("not known: {given} (give one of {known})"),
        (None, None) => format!("not possible: {given}"),
    }
}
