//! What the command's options make of the log, with a reader that reads nothing until it is told to.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use everport_tests::{Cluster, Exit, Unread};
use serde_json::Value;

/// A cluster whose log is JSON that nobody reads.
fn unread(options: &[&str]) -> Unread {
    let options = [&["--log-format", "json"], options].concat();
    Unread::start(&options, &["--logging"])
}

/// Reads everything, and says how many numbered records were told and how many were lost. `all` have been logged.
fn read(mut cluster: Unread, all: u64) -> (u64, u64) {
    let log = cluster.read();
    let mut seen = 0;
    let (mut told, mut lost) = (0, 0);
    log.wait_until("all records", |lines| {
        for line in &lines[seen..] {
            let entry: Value = serde_json::from_str(line).unwrap();
            told += u64::from(entry["target"] == "numbered");
            lost += match entry["kind"] == "lost" {
                true => entry["count"].as_u64().unwrap(),
                false => 0,
            };
        }
        seen = lines.len();
        (told + lost == all).then_some(())
    });
    cluster.stop();
    (told, lost)
}

fn handed_over(acks: &Path) -> u64 {
    let mut bytes = [0; 8];
    let read = fs::File::open(acks).and_then(|file| file.read_at(&mut bytes, 0));
    // Nothing is there before the first record.
    read.map_or(0, |_| u64::from_le_bytes(bytes))
}

#[test]
fn a_worker_that_is_to_block_waits_for_the_reader_and_loses_nothing() {
    /// More than pipe, ring and everything between them hold.
    const MANY: u64 = 50_000;
    let cluster = unread(&["--log-when-full", "block", "--log-buffer", "256K"]);
    let acks = cluster.path("acks");
    let order = format!("/log?records={MANY}&bytes=100&acks={}", acks.display());
    assert_eq!(cluster.get(&order).body, "logging");
    // It serves on, and stands still as far as it logs: one that dropped would come to the end.
    let mut before = 0;
    let after = loop {
        for _ in 0..20 {
            assert_eq!(cluster.get("/").body, "Hello, World!");
        }
        let now = handed_over(&acks);
        if now > 0 && now == before {
            break now;
        }
        before = now;
    };
    assert!(after < MANY, "{after} handed over");
    assert_eq!(read(cluster, MANY), (MANY, 0));
}

#[test]
fn a_larger_buffer_keeps_what_a_smaller_one_drops() {
    /// Some 4 MiB: less than the larger buffer, and far more than the smaller one and what lies behind it.
    const MANY: u64 = 25_000;
    let run = |size: &str| {
        let cluster = unread(&["--log-buffer", size]);
        let order = format!("/log?records={MANY}&bytes=100&wait=1");
        assert_eq!(cluster.get(&order).body, "logging");
        read(cluster, MANY)
    };
    assert_eq!(run("16M"), (MANY, 0));
    let (told, lost) = run("256K");
    assert!(told > 0 && lost > 0, "{told} told, {lost} lost");
}

#[test]
fn a_file_has_a_form_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = format!(
        "-w 1 --log-to stdout --log-format plain --log-file {} --log-file-format json",
        path.display()
    );
    let cluster = Cluster::ready(&options, "--listen 127.0.0.1:0");
    let ready = cluster.log().wait_for("the cluster is ready");
    assert!(
        ready.contains(" INFO  watcher  the cluster is ready"),
        "{ready}"
    );
    assert_eq!(cluster.stop(), Exit::Code(0));
    let text = fs::read_to_string(&path).unwrap();
    let entries: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events = entries.iter().filter_map(|entry| entry["event"].as_str());
    let events: Vec<&str> = events.collect();
    assert!(events.contains(&"cluster_ready"), "{events:?}");
    assert_eq!(events.last(), Some(&"stopped"));
}
