//! What the command says about its arguments, and what it exits with.
#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails right there"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A program that is there and would be run if nothing were wrong; it exits at once.
const PROGRAM: &str = "true";

fn everport<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_everport"))
        .args(arguments)
        .env_remove("EVERPORT_LINK")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Runs the command and checks its exit code and that the stream it speaks on says each of `expected`:
/// standard output when it succeeds, standard error (and nothing on standard output) otherwise.
#[track_caller]
fn check<A: AsRef<std::ffi::OsStr>>(
    arguments: impl IntoIterator<Item = A>,
    code: i32,
    expected: &[&str],
) {
    let output = everport(arguments);
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

/// The flag with a path as its value, and a program.
fn with_path(flag: &str, path: &Path) -> [PathBuf; 4] {
    ["run".into(), flag.into(), path.into(), PROGRAM.into()]
}

#[test]
fn help_shows_the_usage_of_the_command() {
    check(
        ["--help"],
        0,
        &["Usage: everport run [OPTIONS] [--] PROGRAM", "--version"],
    );
    check(["help"], 0, &["Usage: everport run"]);
    check(["-h"], 0, &["Usage: everport run"]);
}

#[test]
fn help_of_run_shows_options_signals_exit_codes_and_examples() {
    let expected = [
        "--workers <N>",
        "--shutdown-timeout <SECONDS>",
        "--env <KEY=VALUE>",
        "Times and rollouts:",
        "Signals:",
        "Exit codes:",
        "Examples:",
    ];
    check(["run", "--help"], 0, &expected);
}

#[test]
fn version_is_told() {
    check(
        ["--version"],
        0,
        &[concat!("everport ", env!("CARGO_PKG_VERSION"))],
    );
}

#[test]
fn nothing_at_all_shows_help() {
    check([""; 0], 2, &["Usage: everport run"]);
    check(["run"], 2, &["required", "PROGRAM"]);
}

#[test]
fn numbers_of_workers_that_make_no_sense_are_refused() {
    check(
        words("run -w 0 true"),
        2,
        &["'0'", "--workers", "from 1 to 4096"],
    );
    check(words("run -w many true"), 2, &["'many'", "from 1 to 4096"]);
    check(words("run -w -3 true"), 2, &["'-3'", "from 1 to 4096"]);
    check(words("run -w 9999 true"), 2, &["'9999'", "from 1 to 4096"]);
    check(words("-w many true"), 2, &["'many'", "--workers"]);
}

#[test]
fn times_that_make_no_sense_are_refused() {
    check(
        words("run -t -1 true"),
        2,
        &["--shutdown-timeout", "cannot be negative"],
    );
    check(words("run -t 1e99 true"), 2, &["longer than a day"]);
    check(
        words("run --settle soon true"),
        2,
        &["--settle", "not a number of seconds"],
    );
    check(
        words("run --boot-timeout 0 true"),
        2,
        &["zero leaves no time"],
    );
}

#[test]
fn a_variable_without_equals_sign_is_refused() {
    check(
        words("run --env FOO true"),
        2,
        &["'FOO'", "write KEY=VALUE"],
    );
}

#[test]
fn users_and_groups_that_are_not_there_are_named() {
    check(
        words("run --user no-such-user true"),
        2,
        &["everport: no such user: no-such-user", "getent passwd"],
    );
    check(
        words("run --user root --group no-such-group true"),
        2,
        &["everport: no such group: no-such-group"],
    );
    check(
        words("run --user 3999999999 true"),
        2,
        &["3999999999", "--group"],
    );
    check(words("run --umask 9 true"), 2, &["'9'", "in octal"]);
}

#[test]
fn an_unknown_option_brings_the_nearest_to_mind() {
    check(
        words("run --worker 4 true"),
        2,
        &["'--worker'", "'--workers'"],
    );
    check(
        words("--shutdown-timeot 4 true"),
        2,
        &["'--shutdown-timeout'"],
    );
}

#[test]
fn a_program_that_does_not_exist_is_an_error_of_its_own() {
    let hint = "write ./no-such-program-anywhere";
    check(
        ["no-such-program-anywhere"],
        127,
        &["everport: no such program: no-such-program", hint],
    );
    check(
        words("run -w 2 -- ./no/such/program -w 0"),
        127,
        &["./no/such/program"],
    );
}

#[test]
fn a_program_that_is_not_executable_is_an_error_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("script");
    fs::write(&path, "#!/bin/sh\n").unwrap();
    check([&path], 126, &["everport: not executable: ", "chmod +x"]);
}

#[test]
fn a_directory_is_not_a_program() {
    let directory = tempfile::tempdir().unwrap();
    check(
        [directory.path()],
        126,
        &["everport: not a program but a directory: "],
    );
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let path = Path::new("/nonexistent/everport.log");
    let expected = ["everport: cannot open the log file /nonexistent/everport.log: No such file"];
    check(with_path("--log-file", path), 6, &expected);
}

#[test]
fn a_log_file_that_is_a_symbolic_link_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("log");
    std::os::unix::fs::symlink(directory.path().join("elsewhere"), &link).unwrap();
    check(
        with_path("-f", &link),
        6,
        &["symbolic link", "name the file itself"],
    );
}

#[test]
fn a_pid_file_that_cannot_be_written_is_named() {
    let path = Path::new("/nonexistent/everport.pid");
    let expected = ["everport: cannot use the pid file /nonexistent/everport.pid: No such file"];
    check(with_path("--pid-file", path), 6, &expected);
}

#[test]
fn a_directory_of_workers_that_is_not_there_is_named() {
    let path = Path::new("/nonexistent");
    check(
        with_path("--chdir", path),
        2,
        &["everport: cannot use /nonexistent as the workers'"],
    );
}

#[test]
fn a_second_instance_is_kept_out_by_the_pid_file() {
    let directory = tempfile::tempdir().unwrap();
    let pid_file = directory.path().join("pid");
    let script = directory.path().join("worker");
    fs::write(&script, "#!/bin/sh\necho started\nexec sleep 60\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let first = Command::new(env!("CARGO_BIN_EXE_everport"))
        .args(["run", "-w", "1", "-p"])
        .args([&pid_file, &script])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = Running(first);
    let log = first.0.stdout.take().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(log));
    assert!(lines.any(|line| line.unwrap().ends_with("0.1 out  started")));

    let held = format!("is held by pid {}", first.0.id());
    check(with_path("-p", &pid_file), 7, &["everport: ", &held]);
    assert_eq!(
        fs::read_to_string(&pid_file).unwrap(),
        format!("{}\n", first.0.id())
    );

    terminate(first.0.id());
    assert!(lines.any(|line| line.unwrap().ends_with("stopping: every worker drains")));
    assert_eq!(first.0.wait().unwrap().code(), Some(0));
    assert!(!pid_file.exists());
}

#[test]
fn a_cluster_that_never_is_ready_says_so() {
    let output = everport([
        "run",
        "-w",
        "1",
        "--",
        "sh",
        "-c",
        "echo no luck >&2; exit 3",
    ]);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{stdout}{stderr}");
    assert!(stdout.contains("INFO  0.1 err  no luck\n"), "{stdout}");
    assert!(
        stdout.contains("worker 1 (slot 0) died: exited with code 3\n"),
        "{stdout}"
    );
    assert!(stdout.contains("ERROR watcher  | no luck\n"), "{stdout}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(
        stderr.starts_with("everport: gave up: no worker was ever ready"),
        "{stderr}"
    );
}

/// A process that does not outlive a test that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // One that has been waited for is not killed again.
        let _ = self.0.kill();
    }
}

fn terminate(pid: u32) {
    let status = Command::new("kill").arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_watched_path_that_is_not_there_is_named_before_anything_is_run() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("src");
    let named = format!("everport: cannot watch {}", missing.display());
    check(with_path("--watch", &missing), 2, &[&named, "No such file"]);
}

#[test]
fn check_tells_of_a_watched_path_that_is_not_there() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("src");
    let output = everport([
        "check".as_ref(),
        "--watch".as_ref(),
        missing.as_os_str(),
        PROGRAM.as_ref(),
    ]);
    assert_eq!(output.status.code(), Some(2));
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("cannot watch"), "{complaint}");
}
