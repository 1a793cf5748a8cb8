//! `everport check`: exit codes and what is told.

use crate::{Place, check, check_output, words};

#[test]
fn what_is_right_is_told_and_nothing_is_started() {
    let place = Place::configured("program = './server'\nlog-file = 'log'\npid-file = 'pid'\n");
    place.write_program("server", "#!/bin/sh\ntouch started\n");
    let server = place.path("server");
    let expected = [
        "everport.toml",
        "./server",
        server.to_str().unwrap(),
        "nothing is wrong",
    ];
    place.check("check", 0, &expected);
    let mut left: Vec<_> = std::fs::read_dir(place.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["everport.toml", "server"]);
}

/// What is wrong is told on standard error beside what is in force on standard output.
#[track_caller]
fn check_wrong(arguments: &str, code: i32, expected: &[&str]) {
    let mut output = crate::everport(words(arguments));
    assert!(!output.stdout.is_empty());
    assert!(!String::from_utf8_lossy(&output.stdout).contains("nothing is wrong"));
    output.stdout.clear();
    check_output(output, code, expected);
}

#[test]
fn it_exits_with_what_run_would_exit_with() {
    check_wrong(
        "check ./no/such/program",
        127,
        &["everport: no such program"],
    );
    check_wrong("check /etc/passwd", 126, &["everport: not executable"]);
    check_wrong(
        "check --user no-such-user true",
        2,
        &["everport: no such user"],
    );
    check_wrong(
        "check --chdir /nonexistent true",
        2,
        &["everport: cannot use /nonexistent"],
    );
    check_wrong(
        "check -p /nonexistent/pid true",
        6,
        &["everport: cannot use the pid file"],
    );
    check_wrong(
        "check -f /nonexistent/log true",
        6,
        &["everport: cannot open the log file /nonexistent/log"],
    );
    check_wrong(
        "check --watch /nonexistent true",
        2,
        &["everport: cannot watch /nonexistent"],
    );
    check_wrong("check", 2, &["everport: no program to run"]);
    check(
        words("check -w many true"),
        2,
        &["everport: invalid value 'many'"],
    );
}

#[test]
fn everything_that_is_wrong_is_told() {
    let expected = [
        "no such program",
        "no such user",
        "cannot use /nonexistent",
        "the pid file",
    ];
    let arguments = "check --user no-such-user --chdir /nonexistent -p /nonexistent/pid ./no/such";
    check_wrong(arguments, 127, &expected);
}

/// What is told ends up in reports to others.
#[test]
fn values_of_variables_are_not_told() {
    let place = Place::configured("program = 'true'\nenv = { TOKEN = 'from-the-file' }\n");
    let output = place.everport("check --env KEY=typed=twice");
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains(" TOKEN=… "), "{told}");
    assert!(told.contains(" KEY=… "), "{told}");
    for secret in ["from-the-file", "typed", "twice"] {
        assert!(!told.contains(secret), "{told}");
    }
}
