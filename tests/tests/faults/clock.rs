//! A wall clock that is moved a day: only what the log shows as the time of day may change.

use std::fs;
use std::os::unix::fs::FileExt;
use std::process::Command;

use everport_tests::{Cluster, Exit, program};
use rustix::process::Signal;

const DAY: i64 = 24 * 60 * 60;

/// A wall clock for one cluster: a library before all others that shifts it, and the file that says how far.
struct ShiftedClock {
    directory: tempfile::TempDir,
    file: fs::File,
}

impl ShiftedClock {
    /// Builds the library with the compiler that Rust links with.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/shifted_clock.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .arg(directory.path().join("shifted_clock.so"))
            .arg(source)
            .status();
        assert!(
            built.as_ref().is_ok_and(std::process::ExitStatus::success),
            "this test needs the C compiler `cc`: {built:?}"
        );
        let file = fs::File::create(directory.path().join("shift")).unwrap();
        let clock = Self { directory, file };
        clock.shift(0);
        clock
    }

    /// From now on it is so many seconds later than it is.
    fn shift(&self, seconds: i64) {
        self.file.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }

    fn ready(&self, options: &str) -> Cluster {
        let mut command = Cluster::command(options.split_whitespace());
        command
            .arg("--")
            .arg(program("test-worker"))
            .args(["--listen", "127.0.0.1:0"])
            .env("LD_PRELOAD", self.directory.path().join("shifted_clock.so"))
            .env("SHIFTED_CLOCK", self.directory.path().join("shift"));
        let cluster = Cluster::spawn(command);
        cluster.wait_until_ready();
        cluster
    }
}

/// The day in a line of the log.
fn day(line: &str) -> String {
    line[.."2026-01-02".len()].to_owned()
}

#[test]
fn a_wall_clock_that_jumps_a_day_either_way_changes_nothing_but_the_logs_times() {
    let clock = ShiftedClock::new();
    let cluster = clock.ready("-w 2 --settle 0.3");
    let mut before = day(&cluster.log().lines()[0]);
    for (shift, is_later) in [(DAY, true), (-DAY, false)] {
        let position = cluster.log().position();
        cluster.signal(Signal::USR1);
        cluster
            .log()
            .wait_after(position, "rollout from generation");
        clock.shift(shift);
        let finished = cluster.log().wait_after(position, " finished in ");
        assert_eq!(day(&finished) > before, is_later, "{before}: {finished}");
        assert_eq!(day(&finished) < before, !is_later, "{before}: {finished}");
        before = day(&finished);
        check_duration(&finished);
        cluster
            .log()
            .wait_for_many(if is_later { 2 } else { 4 }, "ended: exited");

        let ready = cluster.log().matching("is ready after").len();
        cluster.workers()[0].signal(Signal::KILL);
        cluster.log().wait_for_many(ready + 1, "is ready after");
    }
    let lines = cluster.log().lines();
    let alarms = [
        "aborted",
        "did not come up",
        "is killed",
        "crash-looping",
        " min",
    ];
    let is_alarm = |line: &&String| alarms.iter().any(|alarm| line.contains(alarm));
    assert_eq!(lines.iter().find(is_alarm), None);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

/// `… finished in 1.2 s`: a wall clock would have made a day or nothing of it.
fn check_duration(finished: &str) {
    let (_, took) = finished.split_once(" finished in ").unwrap();
    let (number, unit) = took.split_once(' ').unwrap();
    let milliseconds = match unit {
        "ms" => number.parse::<f64>().unwrap(),
        "s" => number.parse::<f64>().unwrap() * 1000.0,
        _ => panic!("{finished}"),
    };
    // Two slots have settled for 0.3 s each.
    assert!(milliseconds >= 600.0, "{finished}");
}
