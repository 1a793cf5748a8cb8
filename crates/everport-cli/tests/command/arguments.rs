//! What the command says about its arguments, and what it exits with.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{check, everport, words};

/// A program that is there and would be run if nothing were wrong; it exits at once.
const PROGRAM: &str = "true";

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
    check(["help", "check"], 0, &["Usage: everport check"]);
    check(["-h"], 0, &["Usage: everport run"]);
}

#[test]
fn help_is_as_wide_as_a_terminal() {
    for arguments in [
        "",
        "-h",
        "--help",
        "run -h",
        "run --help",
        "check -h",
        "check --help",
        "completions --help",
    ] {
        let output = everport(words(arguments));
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{arguments}: {line}");
        }
        assert!(text.contains("Usage: everport "), "{arguments}: {text}");
    }
}

#[test]
fn the_short_help_is_shorter() {
    let length = |option: &str| everport(["run", option]).stdout.len();
    assert!(length("-h") < length("--help"));
    check(["run", "-h"], 0, &["--workers <N>", "`--help` adds"]);
}

#[test]
fn what_is_wrong_with_the_arguments_is_told_as_everything_else_is() {
    for arguments in [
        "run -w many true",
        "run --worker 4 true",
        "run --config x --no-config true",
        "completions tcsh",
    ] {
        let output = everport(words(arguments));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.starts_with("everport: "), "{arguments}: {stderr}");
        assert!(!stderr.contains("error:"), "{arguments}: {stderr}");
        assert!(!stderr.contains("Usage:"), "{arguments}: {stderr}");
        assert!(!stderr.contains("\n\n"), "{arguments}: {stderr}");
        let pointers = stderr.matches("--help").count();
        assert_eq!(pointers, 1, "{arguments}: {stderr}");
    }
}

#[test]
fn a_flag_can_be_taken_back() {
    check(
        words("check --core-dumps --no-core-dumps true"),
        0,
        &["nothing is wrong"],
    );
    let output = everport(words("check --core-dumps --no-core-dumps true"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let row = stdout
        .lines()
        .find(|row| row.starts_with("core-dumps"))
        .unwrap();
    assert_eq!(words(row), ["core-dumps", "false", "command", "line"]);
}

#[test]
fn a_misspelt_subcommand_is_told_from_a_program() {
    let meant = |name: &str| {
        format!("(did you mean the command `everport {name}`? it comes before all options)")
    };
    check(
        ["chekc"],
        127,
        &["everport: no such program: chekc ", &meant("check")],
    );
    check(["completion", "bash"], 127, &[&meant("completions")]);
    check(words("--no-config run ./server"), 127, &[&meant("run")]);
    check(words("-w 4 chekc"), 127, &[&meant("check")]);
    // Who writes `run` means a program.
    check(["run", "chekc"], 127, &["write ./chekc"]);
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
    let expected = [
        "everport: no program to run",
        "everport run ./server",
        "everport.toml",
    ];
    check(["run"], 2, &expected);
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
    let expected = [
        "everport: cannot open the log file /nonexistent/everport.log (create its directory, or choose another file): \
         No such file",
    ];
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
    let expected = [
        "everport: cannot use the pid file /nonexistent/everport.pid (create its directory, or choose another file): \
         No such file",
    ];
    check(with_path("--pid-file", path), 6, &expected);
    let expected = ["cannot use the pid file /etc/passwd/pid (what is to be its directory is none"];
    check(
        with_path("--pid-file", Path::new("/etc/passwd/pid")),
        6,
        &expected,
    );
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
