//! The configuration file: what is read, what wins, what is wrong, and whom it may belong to.

use std::os::unix::fs::{chown, symlink};

use crate::Place;

/// A configuration in which nothing is wrong.
const RIGHT: &str = "program = \"true\"\nworkers = 3\n";

/// The row of what `everport check` says about an option, in words.
#[track_caller]
fn row(place: &Place, arguments: &str, option: &str) -> Vec<String> {
    let output = place.everport(arguments);
    let stdout = String::from_utf8(output.stdout).unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{stdout}{stderr}");
    let row = stdout
        .lines()
        .find(|row| row.split_whitespace().next() == Some(option));
    let row = row.unwrap_or_else(|| panic!("no {option} in:\n{stdout}"));
    row.split_whitespace().skip(1).map(str::to_owned).collect()
}

#[track_caller]
fn check_row(place: &Place, arguments: &str, option: &str, expected: &str) {
    assert_eq!(row(place, arguments, option).join(" "), expected);
}

#[test]
fn options_stand_in_the_file_by_their_long_names() {
    let place = Place::configured(
        "program = 'true'\nworkers = 3\nsettle = 0.5\nmax-memory = '512M'\numask = 0o027\ncore-dumps = true\n\
         new-privileges = false\nlog-level = 'debug'\nmax-connections = 1_000\n",
    );
    let check = |option, expected| check_row(&place, "check", option, expected);
    check("program", "true everport.toml:1:11");
    check("workers", "3 everport.toml:2:11");
    check("settle", "0.5 everport.toml:3:10");
    check("max-memory", "512M everport.toml:4:14");
    check("umask", "0o027 everport.toml:5:9");
    check("core-dumps", "true everport.toml:6:14");
    check("new-privileges", "false everport.toml:7:18");
    check("log-level", "debug everport.toml:8:13");
    check("max-connections", "1000 everport.toml:9:19");
    check("surge", "1 default");
}

#[test]
fn what_follows_from_other_options_is_told_as_it_is() {
    let place = Place::configured("program = 'true'\n");
    let check = |arguments: &str, option: &str, expected: &str| {
        check_row(&place, &format!("check {arguments}"), option, expected);
    };
    check("", "log-to", "stdout default (no --log-file is given)");
    check("-f log", "log-to", "none default (--log-file is given)");
    check(
        "",
        "log-format",
        "plain default (stdout is no terminal with colours)",
    );
    let as_stdout = "json default (as --log-format)";
    check("-f log --log-format json", "log-file-format", as_stdout);
    let plain = "plain default (--log-format is not json)";
    check("-f log", "log-file-format", plain);
}

#[test]
fn every_option_of_the_help_is_a_key() {
    let place = Place::new();
    let help = String::from_utf8(place.everport("run -h").stdout).unwrap();
    let names = help
        .split_whitespace()
        .filter_map(|word| word.strip_prefix("--"));
    let names = names.filter(|name| !["help", "config", "no-config"].contains(name));
    let names: Vec<&str> = names.collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        // Neither text nor number nor truth value is always wrong, but the key is known.
        place.write("everport.toml", &format!("{name} = 1979-05-27"));
        let stderr = String::from_utf8(place.everport("check true").stderr).unwrap();
        assert!(stderr.starts_with("everport: everport.toml:1:"), "{stderr}");
        assert!(stderr.contains(&format!(": {name}: ")), "{stderr}");
    }
}

#[test]
fn the_command_line_wins() {
    let place = Place::configured(
        "program = 'nonexistent'\nargs = ['x']\nworkers = 3\ncore-dumps = true\nwatch = ['a', 'b']\n\
         env = ['A=1', 'B=2']\n",
    );
    let arguments = "check -w 5 --no-core-dumps --watch . --env B=3 --env C=4 true";
    let check = |option, expected| check_row(&place, arguments, option, expected);
    check("program", "true command line");
    check("workers", "5 command line");
    check("core-dumps", "false command line");
    check("watch", ". command line");
    check("env", "A=… everport.toml:6:8");
    let stdout = String::from_utf8(place.everport(arguments).stdout).unwrap();
    let origin = |name| {
        let row = stdout.lines().find(|row| row.contains(name));
        row.unwrap().split_once(name).unwrap().1.trim()
    };
    assert_eq!(origin("B=…"), "command line");
    assert_eq!(origin("C=…"), "command line");
}

#[test]
fn variables_are_a_table_or_a_list() {
    let check = |text: &str, expected: &str| {
        let place = Place::configured(&format!("program = 'true'\n{text}"));
        check_row(&place, "check", "env", expected);
    };
    check("env = ['A=b=c']", "A=… everport.toml:2:8");
    check("env = 'A='", "A=… everport.toml:2:7");
    check("env = { A = 1 }", "A=… everport.toml:2:9");
    check("[env]\nA = true", "A=… everport.toml:3:1");
    check("env.A = 'x'", "A=… everport.toml:2:5");
}

#[test]
fn workers_have_the_variables_of_the_file_unless_the_command_line_says_otherwise() {
    let check = |text: &str, expected: &str| {
        let program = "program = 'sh'\nargs = ['-c', 'echo \"<$A> <$B> <$C>\"']\n";
        let place = Place::configured(&format!("{program}{text}"));
        // Each worker only prints this, and nobody is ever ready.
        let output = place.everport("run -w 1 --env C=typed");
        let log = String::from_utf8(output.stdout).unwrap();
        assert!(log.contains(expected), "{log}");
    };
    check("env = ['A=b=c', 'B=', 'C=x']", "<b=c> <> <typed>");
    check("[env]\nA = true\nB = 1\nC = 'x'", "<true> <1> <typed>");
}

#[test]
fn everything_that_is_wrong_is_told_with_its_place() {
    let place = Place::configured(
        "program = 3\nworker = 4\nworkers = 5000\nlog-level = \"debgu\"\ncore-dumps = \"yes\"\nsurge = \n\
         settle = [1]\nenv = [\"A\", \"B=c\"]\nconfig = \"x\"\nshare = \"both\"\nname = \"\"\ndate = 1979-05-27\n",
    );
    let output = place.everport("run true");
    assert_eq!(output.status.code(), Some(2));
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = stderr.lines().collect();
    let expected = [
        "1:11: program: not a text (write program = \"./server\", and its arguments as args)",
        "2:1: unknown key: worker (did you mean `workers`?)",
        "3:11: workers: not a number of workers (give one from 1 to 4096)",
        "4:13: log-level: not known: debgu (did you mean `debug`?)",
        "5:14: core-dumps: neither true nor false",
        "6:9: string values must be quoted, expected literal string",
        "7:10: settle: not one value but a list",
        "8:8: env: no `=` in it (write KEY=VALUE, or KEY= for an empty value)",
        "9:1: config: only the command line can say which file to read",
        "10:9: share: not known: both (give one of reuseport, transfer, dispatch)",
        "11:8: name: a name has at least one character",
        "12:1: unknown key: date (a key is the long name of an option: see `everport run -h`)",
    ];
    let expected = expected.map(|line| format!("everport: everport.toml:{line}"));
    assert_eq!(lines, expected, "{stderr}");
    assert_eq!(place.everport("check true").status.code(), Some(2));
}

#[test]
fn options_below_a_table_are_not_taken_for_variables() {
    let place = Place::configured("program = 'true'\n[env]\nA = 'b'\nworkers = 4\n");
    let expected = ["everport.toml:4:1: env.workers: ", "move it above [env]"];
    place.check("check", 2, &expected);
}

#[test]
fn arguments_belong_to_the_program_of_the_file() {
    let place = Place::configured("program = 'true'\nargs = ['--verbose', 3]\n");
    check_row(
        &place,
        "check",
        "program",
        "true --verbose 3 everport.toml:1:11",
    );
    let place = Place::configured("args = ['x']\n");
    place.check(
        "check true",
        2,
        &["everport.toml:1:9: args: there is no `program`"],
    );
}

#[test]
fn paths_are_relative_to_the_file() {
    let place = Place::new();
    std::fs::create_dir(place.path("shop")).unwrap();
    place.write_program("shop/server", "#!/bin/sh\n");
    place.write(
        "shop/shop.toml",
        "program = './server'\nlog-file = 'log'\nchdir = '.'\npid-file = '/run/pid'\nargs = ['./server']\n",
    );
    let arguments = "check --config shop/shop.toml";
    let check = |option, expected| check_row(&place, arguments, option, expected);
    check("program", "shop/server ./server shop/shop.toml:1:11");
    check("log-file", "shop/log shop/shop.toml:2:12");
    check("chdir", "shop shop/shop.toml:3:9");
    check("pid-file", "/run/pid shop/shop.toml:4:12");
}

#[test]
fn the_file_that_is_here_is_read_unless_another_is_named_or_none_is_wanted() {
    let place = Place::configured(RIGHT);
    place.write("other.toml", "program = 'true'\nworkers = 7\n");
    check_row(&place, "check", "workers", "3 everport.toml:2:11");
    check_row(
        &place,
        "check -c other.toml",
        "workers",
        "7 other.toml:2:11",
    );
    let workers = row(&place, "check --no-config true", "workers").join(" ");
    assert!(workers.ends_with(" default (one per CPU)"), "{workers}");
    workers.split(' ').next().unwrap().parse::<u32>().unwrap();
    place.check("run --no-config", 2, &["no program to run"]);
    let expected = [
        "everport: cannot read the configuration file none.toml: No such file",
        "(correct --config, or leave it out)",
    ];
    place.check("run -c none.toml true", 2, &expected);
}

#[test]
fn a_file_that_is_here_and_cannot_be_read_is_not_passed_over() {
    let place = Place::new();
    symlink("nowhere", place.path("everport.toml")).unwrap();
    place.check(
        "run true",
        2,
        &["everport.toml: No such file", "give --no-config"],
    );
    std::fs::remove_file(place.path("everport.toml")).unwrap();
    std::fs::create_dir(place.path("everport.toml")).unwrap();
    place.check("run true", 2, &["everport.toml: it is not a regular file"]);
    std::fs::remove_dir(place.path("everport.toml")).unwrap();
    std::fs::write(place.path("everport.toml"), b"name = '\xff'").unwrap();
    place.check("run true", 2, &["everport.toml: it is not UTF-8 text"]);
    std::fs::write(place.path("everport.toml"), vec![b'\n'; 1 << 21]).unwrap();
    place.check("run true", 2, &["everport.toml: it is longer than 1 MiB"]);
}

#[test]
fn a_fifo_is_refused_and_not_waited_for() {
    let place = Place::new();
    let fifo = place.path("everport.toml");
    let made = std::process::Command::new("mkfifo")
        .arg(&fifo)
        .status()
        .unwrap();
    assert!(made.success());
    place.check("run true", 2, &["it is not a regular file"]);
}

#[test]
fn a_file_that_others_can_write_to_is_not_trusted() {
    let place = Place::configured(RIGHT);
    place.set_mode("everport.toml", 0o646);
    let expected = [
        "everport: cannot trust the configuration file everport.toml: others",
        "chmod go-w",
    ];
    place.check("run", 2, &expected);
    place.check("check", 2, &expected);
    place.set_mode("everport.toml", 0o644);
    place.check("check", 0, &["nothing is wrong"]);
}

#[test]
fn a_file_of_somebody_else_is_not_trusted() {
    let place = Place::configured(RIGHT);
    // Only root can give files away.
    if chown(place.path("everport.toml"), Some(3999999998), None).is_err() {
        return;
    }
    let expected =
        ["cannot trust the configuration file everport.toml: it belongs to user 3999999998"];
    place.check("run", 2, &expected);
    place.write("mine.toml", RIGHT);
    std::fs::remove_file(place.path("everport.toml")).unwrap();
    symlink("mine.toml", place.path("everport.toml")).unwrap();
    place.check("check", 0, &["nothing is wrong"]);
    std::os::unix::fs::lchown(place.path("everport.toml"), Some(3999999998), None).unwrap();
    place.check("check", 2, &expected);
}

/// What is said about a file and a command line that lack something, from `run` and from `check`.
#[track_caller]
fn check_lack(file: &str, arguments: &str, expected: &[&str]) {
    let place = Place::configured(&format!("program = 'true'\n{file}"));
    for command in ["check", "run"] {
        let output = place.everport(&format!("{command} {arguments}"));
        assert_eq!(output.status.code(), Some(2), "{command}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        let told: Vec<&str> = stderr.lines().collect();
        let expected: Vec<String> = expected
            .iter()
            .map(|it| format!("everport: {it}"))
            .collect();
        assert_eq!(told, expected, "{command}");
    }
}

#[test]
fn who_needs_what_is_told_with_its_place() {
    let needs_file = "everport.toml:2:1: log-rotate-size needs log-file";
    check_lack("log-rotate-size = '1M'", "", &[needs_file]);
    check_lack(
        "log-keep = 3",
        "",
        &["everport.toml:2:1: log-keep needs log-rotate-size or log-rotate-daily"],
    );
    check_lack(
        "  log-rotate-daily = true\nlog-file-format = 'json'",
        "--log-rotate-size 1M --log-compress",
        &[
            "everport.toml:2:3: log-rotate-daily needs log-file",
            "everport.toml:3:1: log-file-format needs log-file",
            "--log-rotate-size needs --log-file",
        ],
    );
    check_lack(
        "",
        "-f log --log-keep 3",
        &["--log-keep needs --log-rotate-size or --log-rotate-daily"],
    );
    let place = Place::configured("program = 'true'\nlog-file = 'log'\nlog-keep = 3\n");
    place.check("check --log-rotate-daily", 0, &["nothing is wrong"]);
}

#[test]
fn a_form_for_a_log_that_has_none_is_told_with_its_place() {
    let directory = Place::new();
    let journal = directory.path("journal");
    let _reader = std::os::unix::net::UnixDatagram::bind(&journal).unwrap();
    let log_to = format!("journald:{}", journal.display());
    check_lack(
        &format!("log-to = '{log_to}'\n log-format = 'json'"),
        "",
        &[
            "everport.toml:3:2: log-format is for stdout and files, and the log goes to neither (leave it out, or add \
           stdout to log-to)",
        ],
    );
    check_lack(
        &format!("log-to = '{log_to}'"),
        "--log-format json",
        &[
            "--log-format is for stdout and files, and the log goes to neither (leave it out, or add stdout to --log-to)",
        ],
    );
}

#[test]
fn what_a_key_is_called_cannot_drive_a_terminal() {
    let place = Place::configured("\"a\\u001b[2Jb\" = 1\n");
    let output = place.everport("check true");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("unknown key: a\\u{1b}[2Jb"), "{stderr}");
}
