//! Clusters that the command runs.

use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::{Place, command, everport};

/// A worker that never is ready, and lives until it is ended.
const WORKER: &str = "#!/bin/sh\necho started\nexec sleep 60\n";

#[test]
fn a_second_instance_is_kept_out_by_the_pid_file() {
    let place = Place::new();
    place.write_program("worker", WORKER);
    let mut first = Running::start(&place, &["run", "-w", "1", "-p", "pid", "./worker"]);
    first.tells("0.1 out  started");

    let held = format!("is held by pid {}", first.child.id());
    place.check("run -p pid ./worker", 7, &["everport: ", &held]);
    assert_eq!(
        fs::read_to_string(place.path("pid")).unwrap(),
        format!("{}\n", first.child.id())
    );

    first.signal("TERM");
    first.tells("stopping: every worker drains");
    assert_eq!(first.child.wait().unwrap().code(), Some(0));
    assert!(!place.path("pid").exists());
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

#[test]
fn a_cluster_runs_as_its_file_says_and_tells_which_that_is() {
    let place = Place::configured(
        "program = './worker'\nargs = ['one', 'two']\nworkers = 2\nname = 'shop'\nenv = { KIND = 'file' }\n",
    );
    place.write_program("worker", "#!/bin/sh\necho \"$KIND $*\"\nexec sleep 60\n");
    let mut cluster = Running::start(&place, &["run", "--env", "KIND=line"]);
    let first = cluster.lines.next().unwrap().unwrap();
    let file = fs::canonicalize(place.path("everport.toml")).unwrap();
    let expected = format!("shop     configured by {}", file.display());
    assert!(first.ends_with(&expected), "{first}");
    cluster.tells("2 workers of ");
    cluster.tells("out  line one two");
    cluster.signal("QUIT");
    assert_eq!(cluster.child.wait().unwrap().code(), Some(8));
}

#[test]
fn on_hangup_the_level_of_the_log_is_read_again_and_an_error_changes_nothing() {
    let place = Place::configured("program = './worker'\nworkers = 1\nlog-level = 'info'\n");
    place.write_program("worker", WORKER);
    let mut cluster = Running::start(&place, &["run"]);
    cluster.tells("0.1 out  started");

    place.write(
        "everport.toml",
        "program = './worker'\nworkers = 1\nlog-level = 'debgu'\nx = 1\n",
    );
    cluster.signal("HUP");
    cluster.tells("the configuration cannot be read again, and nothing changes:");
    cluster.tells("| everport.toml:3:13: log-level: not known: debgu (did you mean `debug`?)");
    cluster.tells("| everport.toml:4:1: unknown key: x");

    place.write(
        "everport.toml",
        "program = './worker'\nworkers = 1\nlog-level = 'debug'\n",
    );
    cluster.signal("HUP");
    cluster.tells("workers were told to log from level debug up");

    place.write("everport.toml", "program = './worker'\nworkers = 1\n");
    cluster.signal("HUP");
    cluster.tells("workers were told to log from level info up");

    std::fs::remove_file(place.path("everport.toml")).unwrap();
    cluster.signal("HUP");
    cluster.tells("| cannot read the configuration file everport.toml: No such file");
    cluster.signal("TERM");
    assert_eq!(cluster.child.wait().unwrap().code(), Some(0));
}

#[test]
fn the_watcher_itself_logs_as_the_level_that_was_read_again_says() {
    let place = Place::configured("program = './worker'\nworkers = 1\nlog-level = 'warn'\n");
    let first_dies = "#!/bin/sh\n[ -e once ] && exec sleep 60\ntouch once\nexit 1\n";
    place.write_program("worker", first_dies);
    let mut cluster = Running::start(&place, &["run"]);
    // An error, which is told at any level.
    let seen = cluster.tells("worker 1 (slot 0) died: exited with code 1");
    assert!(seen.is_empty(), "{seen:#?}");
    place.write(
        "everport.toml",
        "log-level = 'info'\nprogram = './worker'\n",
    );
    cluster.signal("HUP");
    cluster.tells("workers were told to log from level info up");
    cluster.signal("TERM");
    cluster.tells("stopping: every worker drains");
    assert_eq!(cluster.child.wait().unwrap().code(), Some(0));
}

/// A cluster whose watcher does not outlive a test that fails.
struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut child = command()
            .current_dir(place.path(""))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Waits for a line that contains this, and returns what came before; the end of the log is a failure.
    #[track_caller]
    fn tells(&mut self, expected: &str) -> Vec<String> {
        let mut seen = Vec::new();
        for line in self.lines.by_ref().map_while(Result::ok) {
            if line.contains(expected) {
                return seen;
            }
            seen.push(line);
        }
        panic!("no {expected:?} in {seen:#?}");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status();
        assert!(status.unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has been waited for is not killed again.
        let _ = self.child.kill();
    }
}
