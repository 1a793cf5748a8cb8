//! A disk that is full.

use std::fs;
use std::path::Path;
use std::time::Instant;

use everport_tests::{Cluster, Exit, PATIENCE, get, program};
use rustix::process::Signal;

use crate::small_disk::{SmallDisk, fill};

/// Waits until a file has a line that contains the text.
fn wait_in_file(file: &Path, text: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let content = fs::read_to_string(file).unwrap_or_default();
        // A line may be there in part.
        let whole = content
            .split_inclusive('\n')
            .filter(|line| line.ends_with('\n'));
        if let Some(line) = whole.into_iter().find(|line| line.contains(text)) {
            return line.trim_end().to_owned();
        }
        assert!(
            Instant::now() < deadline,
            "waited in vain for: {text}\n{content}"
        );
        std::thread::yield_now();
    }
}

#[test]
fn a_full_disk_costs_entries_of_the_log_that_are_counted_and_nothing_else() {
    let disk = SmallDisk::new();
    let log = disk.path().join("log");
    let mut command = Cluster::command(["-w", "1", "--log-file"]);
    command
        .arg(&log)
        .arg("--")
        .arg(program("test-worker"))
        .args(["--listen", "127.0.0.1:0"]);
    let cluster = Cluster::spawn(disk.mounted_for(&command));
    // The namespace is there as soon as the command runs in it.
    let deadline = Instant::now() + PATIENCE;
    while !disk.seen_through(&cluster).join("log").exists() {
        assert!(
            Instant::now() < deadline,
            "{}",
            cluster.log().lines().join("\n")
        );
        std::thread::yield_now();
    }
    let folder = disk.seen_through(&cluster);
    let log = folder.join("log");
    wait_in_file(&log, "the cluster is ready");
    let line = wait_in_file(&log, "watcher  listening on ");
    let address = line.split_whitespace().nth(5).unwrap().parse().unwrap();

    let filler = fill(&folder);
    // More than is left in the last page that the log has already.
    let flood = get(address, "/print?text=a%20line%20too%20many\\n&times=1000");
    assert_eq!(flood.body, "printed");
    let pid = worker_in(&fs::read_to_string(&log).unwrap());
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    // The port stays open, and the next worker serves what waits.
    assert_eq!(get(address, "/").worker(), 2);

    fs::remove_file(filler).unwrap();
    assert_eq!(get(address, "/print?text=room%20again\\n").body, "printed");
    let named = disk.path().join("log");
    let reason = format!("cannot write the log to {}: No space left", named.display());
    let lost = wait_in_file(&log, &format!("entries lost: {reason}"));
    assert!(lost.contains("WARN"), "{lost}");
    wait_in_file(&log, "room again");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

/// The process in the log's line `… worker 1 (slot 0) started: pid 4711, generation 1`.
fn worker_in(log: &str) -> rustix::process::Pid {
    let (_, after) = log.split_once(" started: pid ").unwrap();
    let (pid, _) = after.split_once(',').unwrap();
    rustix::process::Pid::from_raw(pid.parse().unwrap()).unwrap()
}
