//! The `everport` command as its users meet it: what it takes, what it says, and what it exits with.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails right there"
)]

mod arguments;
mod checking;
mod configuration;
mod printed;
mod running;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The command, in a directory without a configuration file.
fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_everport"));
    command
        .current_dir("/")
        .env_remove("EVERPORT_LINK")
        .stdin(Stdio::null());
    command
}

fn everport<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    command().args(arguments).output().unwrap()
}

/// Runs the command and checks its exit code and that the stream it speaks on says each of `expected`:
/// standard output when it succeeds, standard error (and nothing on standard output) otherwise.
#[track_caller]
fn check<A: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = A>,
    code: i32,
    expected: &[&str],
) {
    check_output(everport(arguments), code, expected);
}

/// Checks what the command has said and exited with; see [`check`].
#[track_caller]
fn check_output(output: Output, code: i32, expected: &[&str]) {
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{stdout}{stderr}");
    let (spoken, silent) = if code == 0 {
        (stdout, stderr)
    } else {
        (stderr, stdout)
    };
    for text in expected {
        assert!(spoken.contains(text), "no {text:?} in:\n{spoken}");
    }
    assert_eq!(silent, "");
}

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

/// A directory with files of a test's own.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A place with a configuration file that says this.
    fn configured(text: &str) -> Self {
        let place = Self::new();
        place.write("everport.toml", text);
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        self.set_mode(name, 0o644);
    }

    /// A program that workers could run.
    fn write_program(&self, name: &str, text: &str) {
        self.write(name, text);
        self.set_mode(name, 0o755);
    }

    fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What the command does here.
    fn everport(&self, arguments: &str) -> Output {
        let mut command = command();
        command.current_dir(self.0.path()).args(words(arguments));
        command.output().unwrap()
    }

    #[track_caller]
    fn check(&self, arguments: &str, code: i32, expected: &[&str]) {
        check_output(self.everport(arguments), code, expected);
    }
}
