//! What the command's options make of the log, with a reader that reads nothing until it is told to.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use everport_tests::{Exit, Gaps, Kind, Unread, for_each_kind, unless_spoilt};
use serde_json::Value;

for_each_kind!(
    a_worker_that_is_to_block_waits_for_the_reader_and_loses_nothing,
    a_larger_buffer_keeps_what_a_smaller_one_drops,
    a_file_has_a_form_of_its_own,
);

/// Whoever reads this fast has not kept the log from moving for a second.
const LONGEST_GAP: Duration = Duration::from_millis(400);

/// A cluster whose log is JSON that nobody reads.
fn unread(kind: Kind, options: &str) -> Unread {
    Unread::start(kind, &format!("--log-format json {options}"), "--logging")
}

/// Reads everything, and says how many numbered records were told and how many were lost. `all` have been logged.
fn read(mut cluster: Unread, all: u64) -> (u64, u64) {
    let log = cluster.read();
    let mut seen = 0;
    let (mut told, mut lost) = (0, 0);
    while told + lost < all {
        // Copied out, because nothing more is read while they are looked at.
        let new = log.wait_until("all records", |lines| {
            (lines.len() > seen).then(|| lines[seen..].to_vec())
        });
        for line in &new {
            let entry: Value = serde_json::from_str(line).unwrap();
            told += u64::from(entry["target"] == "numbered");
            lost += match entry["kind"] == "lost" {
                true => entry["count"].as_u64().unwrap(),
                false => 0,
            };
        }
        seen += new.len();
    }
    assert_eq!(told + lost, all);
    cluster.stop();
    (told, lost)
}

fn handed_over(acks: &Path) -> u64 {
    let mut bytes = [0; 8];
    let read = fs::File::open(acks).and_then(|file| file.read_at(&mut bytes, 0));
    // Nothing is there before the first record.
    read.map_or(0, |_| u64::from_le_bytes(bytes))
}

fn a_worker_that_is_to_block_waits_for_the_reader_and_loses_nothing(kind: Kind) {
    unless_spoilt(|| read_slowly(kind));
}

/// An error when this machine let the reader stand still for about the second after which a log that takes nothing is not
/// waited for.
fn read_slowly(kind: Kind) -> Result<(), String> {
    /// More than pipe, ring and everything between them hold, and more than is read before the end.
    const MANY: u64 = 50_000;
    /// More than the records that are taken out of a ring at once, as JSON: so the log moves.
    const SOME: usize = 512 * 1024;
    let mut cluster = unread(kind, "--log-when-full block --log-buffer 256K");
    let acks = cluster.path("acks");
    let order = format!("/log?records={MANY}&bytes=100&acks={}", acks.display());
    assert_eq!(cluster.get(&order).body, "logging");
    // It serves on, and logs no faster than is read.
    let mut gaps = Gaps::begin();
    for _ in 0..8 {
        assert_eq!(cluster.get("/").body, "Hello, World!");
        cluster.read_some(SOME);
        gaps.step();
    }
    let handed_over = handed_over(&acks);
    gaps.step();
    let (told, lost) = read(cluster, MANY);
    if lost > 0 && gaps.longest() > LONGEST_GAP {
        return Err(format!("{lost} lost after {:?}", gaps.longest()));
    }
    assert!((1..MANY).contains(&handed_over), "{handed_over}");
    assert_eq!((told, lost), (MANY, 0));
    Ok(())
}

fn a_larger_buffer_keeps_what_a_smaller_one_drops(kind: Kind) {
    /// Some 4 MiB: less than the larger buffer, and far more than the smaller one and what lies behind it.
    const MANY: u64 = 25_000;
    let run = |size: &str| {
        let cluster = unread(kind, &format!("--log-buffer {size}"));
        let order = format!("/log?records={MANY}&bytes=100&wait=1");
        assert_eq!(cluster.get(&order).body, "logging");
        read(cluster, MANY)
    };
    assert_eq!(run("16M"), (MANY, 0));
    let (told, lost) = run("256K");
    assert!(told > 0 && lost > 0, "{told} told, {lost} lost");
}

fn a_file_has_a_form_of_its_own(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let options = format!(
        "-w 1 --log-to stdout --log-format plain --log-file {} --log-file-format json",
        path.display()
    );
    let cluster = kind.ready(&options, "--listen 127.0.0.1:0");
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
