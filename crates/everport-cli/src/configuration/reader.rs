//! Reads a text as TOML, and each entry as what the command line would make of it.

use std::ffi::OsString;
use std::ops::Range;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::keys::{self, PROGRAM, PROGRAM_ARGUMENTS};
use super::position::{Complaint, Position};
use super::value::{is_about_the_value, scalar, what_is_wrong};
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
        key_at: Position::of(0, text),
        found: Configuration::default(),
        complaints: Vec::new(),
    };
    reader.read_table(table.get_ref());
    let broken = broken(text, &errors);
    let mut complaints = reader.complaints;
    // What is said about a line that could not even be read is guesswork.
    complaints.retain(|complaint| !broken.iter().any(|it| it.at.line == complaint.at.line));
    complaints.extend(broken);
    complaints.sort_by_key(|complaint| complaint.at);
    let mut found = reader.found;
    found.settings.sort_by_key(|setting| setting.at);
    match complaints.is_empty() {
        true => Ok(found),
        false => Err(complaints),
    }
}

/// What is no TOML: the first thing of each line, because more about it is what follows from that.
fn broken(text: &str, errors: &[toml::de::Error]) -> Vec<Complaint> {
    let complaint = |error: &toml::de::Error| Complaint {
        at: Position::of(error.span().map_or(0, |span| span.start), text),
        what: error.message().to_owned(),
    };
    let mut complaints: Vec<Complaint> = errors.iter().map(complaint).collect();
    complaints.dedup_by_key(|complaint| complaint.at.line);
    complaints
}

struct Reader<'a> {
    text: &'a str,
    directory: &'a Path,
    command: &'a Command,
    /// Where the key stands that is being read.
    key_at: Position,
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
                    Some(option) => {
                        self.key_at = Position::of(key.span().start, self.text);
                        self.read_option(option, name, value);
                    }
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
            key: option.get_long().unwrap_or_default().to_owned(),
            key_at: self.key_at,
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
