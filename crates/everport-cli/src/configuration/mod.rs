//! The configuration file: every option by its long name, and what of it is in force.

pub(crate) mod keys;
pub(crate) mod place;
mod position;
mod reader;
mod resolve;
mod together;
mod value;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

use self::place::FileError;
pub(crate) use self::position::{Complaint, Position};
pub(crate) use self::resolve::{Refusal, Resolved, resolve};
use crate::negation;

/// What a file says.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    pub(crate) settings: Vec<Setting>,
    pub(crate) program: Option<FromFile>,
    pub(crate) arguments: Vec<FromFile>,
}

/// A word and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct FromFile {
    pub(crate) word: OsString,
    pub(crate) at: Position,
}

/// A value of an option.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// What the command line's parser calls the option.
    pub(crate) id: String,
    key: String,
    key_at: Position,
    is_keyed: bool,
    /// Where the value stands.
    pub(crate) at: Position,
    pub(crate) value: OsString,
    /// How it would stand on the command line; a flag that is off does not.
    word: Option<OsString>,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigurationError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{}", lines(.path, .complaints).join("\n"))]
    Wrong {
        path: PathBuf,
        complaints: Vec<Complaint>,
    },
}

impl Configuration {
    /// Reads a file that nobody else can have written.
    pub(crate) fn read(path: &Path, command: &Command) -> Result<Self, ConfigurationError> {
        let text = place::read(path)?;
        let directory = path.parent().unwrap_or(Path::new(""));
        reader::read(&text, directory, command).map_err(|complaints| ConfigurationError::Wrong {
            path: path.to_path_buf(),
            complaints,
        })
    }

    /// Leaves what the command line does not say otherwise.
    fn yield_to(&mut self, given: &ArgMatches) {
        self.settings.retain(|setting| !setting.is_beaten_by(given));
        if is_given(given, "program") {
            self.program = None;
            self.arguments.clear();
        }
    }

    /// Where the key of an option stands.
    fn place_of_key(&self, id: &str) -> Option<Position> {
        let setting = self.settings.iter().find(|setting| setting.id == id)?;
        Some(setting.key_at)
    }

    /// How it would stand on the command line.
    fn words(&self) -> impl Iterator<Item = OsString> {
        self.settings
            .iter()
            .filter_map(|setting| setting.word.clone())
    }
}

impl Setting {
    fn is_beaten_by(&self, given: &ArgMatches) -> bool {
        if !is_given(given, &self.id) {
            return negation::is_given(&self.id, given);
        }
        let name = name_of(self.value.as_encoded_bytes());
        let mut values = given.get_raw(&self.id).into_iter().flatten();
        !self.is_keyed || values.any(|value| name_of(value.as_encoded_bytes()) == name)
    }
}

/// Whether the command line has it.
pub(crate) fn is_given(given: &ArgMatches, id: &str) -> bool {
    given.value_source(id) == Some(ValueSource::CommandLine)
}

/// What stands before the `=`.
fn name_of(pair: &[u8]) -> &[u8] {
    pair.split(|byte| *byte == b'=').next().unwrap_or_default()
}

/// Each complaint with its place: `everport.toml:3:11: …`.
fn lines(path: &Path, complaints: &[Complaint]) -> Vec<String> {
    let line =
        |complaint: &Complaint| format!("{}:{}: {}", path.display(), complaint.at, complaint.what);
    complaints.iter().map(line).collect()
}
