//! How entries look: in colour for a terminal, plain for a file, or as JSON for a machine.

mod columns;
mod json;
mod json_value;
mod number;
mod record_text;
mod text;
mod timestamp;

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use super::{Entry, Record, Source};
use json::Json;
use text::Text;

/// A form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogFormat {
    /// Lines for a terminal, coloured by level and by slot.
    Pretty,
    /// The same lines without colour.
    Plain,
    /// One JSON object per line. `docs/logs.md` has the schema.
    Json,
}

/// A text that names no form of the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a log format: {0:?} (give pretty, plain or json)")]
pub struct LogFormatError(String);

impl LogFormat {
    /// Every form there is.
    pub const ALL: [Self; 3] = [Self::Pretty, Self::Plain, Self::Json];

    /// Its name in lower case, as `--log-format` takes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pretty => "pretty",
            Self::Plain => "plain",
            Self::Json => "json",
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for LogFormat {
    type Err = LogFormatError;

    fn from_str(text: &str) -> Result<Self, LogFormatError> {
        Self::ALL
            .into_iter()
            .find(|format| format.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| LogFormatError(text.to_owned()))
    }
}

/// Appends entries to a buffer, as whole lines of UTF-8. Whatever a worker sends, no other entry can be made of it,
/// and nothing in it reaches a terminal as a command.
#[derive(Debug, Clone)]
pub struct Formatter {
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Text(Text),
    Json(Json),
}

impl Formatter {
    /// For the entries of a cluster; `name` stands for its watcher.
    #[must_use]
    pub fn new(format: LogFormat, name: impl Into<String>) -> Self {
        Self::with_name(format, Some(name.into()))
    }

    /// For a program without a watcher: its records do not say whose they are.
    #[must_use]
    pub fn standalone(format: LogFormat) -> Self {
        Self::with_name(format, None)
    }

    fn with_name(format: LogFormat, name: Option<String>) -> Self {
        let form = match format {
            LogFormat::Pretty => Form::Text(Text::new(true, name)),
            LogFormat::Plain => Form::Text(Text::new(false, name)),
            LogFormat::Json => Form::Json(Json::new(name)),
        };
        Self { form }
    }

    /// Appends an entry that came at a certain time; records have times of their own.
    pub fn push_entry(&mut self, out: &mut Vec<u8>, at: SystemTime, entry: &Entry) {
        match &mut self.form {
            Form::Text(text) => text.push_entry(out, at, entry),
            Form::Json(json) => json.push_entry(out, at, entry),
        }
    }

    /// Appends that so many entries of any kind are missing here, and why.
    pub fn push_lost(&mut self, out: &mut Vec<u8>, at: SystemTime, count: u64, cause: &str) {
        match &mut self.form {
            Form::Text(text) => text.push_lost(out, at, count, cause),
            Form::Json(json) => json.push_lost(out, at, count, cause),
        }
    }

    /// Appends a record of the program's own, or of a worker's.
    pub fn push_record(&mut self, out: &mut Vec<u8>, source: Option<&Source>, record: &Record<'_>) {
        match &mut self.form {
            Form::Text(text) => text.push_record(out, source, record),
            Form::Json(json) => json.push_record(out, source, record),
        }
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod json_tests;
#[cfg(test)]
mod notice_samples;
#[cfg(test)]
mod random_tests;
#[cfg(test)]
mod schema_tests;
#[cfg(test)]
mod tests;
