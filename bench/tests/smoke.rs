//! Each scenario under load runs briefly: it must come to its end, and lose nothing that may not be lost. How
//! fast anything was means nothing here.

use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn rolling_restarts_lose_no_request() {
    let said = check("restarts", "0.3", 3);
    for sharing in ["reuseport", "transfer", "dispatch"] {
        let title = "failed beside unrelated starts, one after the other";
        let row = lines_with(&said, &format!("| {title}, {sharing} "));
        assert!(row.contains("| held"), "{row}\n{said}");
        let row = format!("| one after the other | {sharing:<9} | unrelated starts |");
        let row = lines_with(&said, &row);
        let started = row.split('|').nth(7).unwrap_or_default();
        assert_ne!(started.trim(), "0", "{sharing}: {row}\n{said}");
    }
    assert!(said.contains("against reuseport"), "{said}");
}

#[test]
fn kept_connections_lose_no_request() {
    check("keep-alive", "0.5", 3);
}

#[test]
fn kills_lose_no_more_than_was_being_served() {
    check("kills", "1", 2);
}

#[test]
fn a_worker_that_does_not_serve_loses_nobody_elses_requests() {
    let said = check("stuck", "0.7", 3);
    assert!(said.contains("Longest wait, against reuseport"), "{said}");
}

#[test]
fn beside_others_no_request_is_lost_in_calm_and_restarts() {
    check("peers", "0.3", 4);
}

#[test]
fn a_flood_of_records_loses_none_that_is_not_counted() {
    check("logs", "0.3", 0);
}

#[test]
fn a_stream_of_messages_loses_none() {
    check("messages", "0.2", 0);
}

#[test]
fn servers_that_take_turns_at_a_load_lose_nothing() {
    let said = check("throughput", "0.1", 4);
    for place in ["pinned", "spread"] {
        let lost = format!("| failed requests, {place}, in short slices ");
        let lost = lines_with(&said, &lost);
        assert!(lost.contains("| held"), "{place}: {lost}\n{said}");
        for sharing in ["transfer", "dispatch"] {
            let title = format!("Against reuseport, {place}, the same ");
            let (_, table) = said.split_once(&title).expect("the table is there");
            let row = format!("| 64 connections, keep-alive          | {sharing} ");
            assert!(table.contains(&row), "{said}");
        }
    }
}

#[test]
fn the_generator_loses_nothing_at_its_limit() {
    check("generator", "0.1", 0);
}

#[test]
fn connections_are_spread_and_none_is_lost() {
    let said = check("evenness", "0.2", 0);
    let ratio = lines_with(&said, "| 100 held    | everport, dispatch | ");
    assert!(!ratio.is_empty(), "{said}");
}

#[test]
fn a_killed_workers_replacement_answers_who_waits_for_it() {
    check("respawn", "0.2", 1);
}

#[test]
fn managing_costs_something_and_loses_nothing() {
    let said = check("at-rest", "0.2", 0);
    // The least, the median and the greatest of the only start.
    let used = lines_with(&said, "| reuseport | used ");
    assert!(used.contains('[') && !used.contains("inf"), "{said}");
}

#[test]
fn everything_starts() {
    let said = run("start", "0.2", 0);
    assert!(said.contains("| everport, threads "), "{said}");
}

#[test]
fn clusters_of_several_sizes_restart() {
    let said = run("restart-time", "0.2", 0);
    assert!(said.contains("rolling restart of 2"), "{said}");
}

#[test]
fn clusters_of_several_sizes_live_and_end() {
    let said = run("growth", "0.2", 0);
    assert!(said.contains("| dispatch  | 8 "), "{said}");
}

/// Runs a scenario that has figures to hold: those that count losses are held. Returns what it says.
fn check(scenario: &str, seconds: &str, plots: usize) -> String {
    let said = run(scenario, seconds, plots);
    assert!(said.contains("| held"), "{said}");
    said
}

/// The lines that begin like this.
fn lines_with(said: &str, begin: &str) -> String {
    let lines = said.lines().filter(|line| line.starts_with(begin));
    lines.collect::<Vec<_>>().join("\n")
}

/// Runs a scenario for a moment; it exits with 0 only if nothing was lost. So many plots come of it. Returns what it says.
fn run(scenario: &str, seconds: &str, plots: usize) -> String {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(scenario);
    // It is there when the test has run before.
    drop(fs::remove_dir_all(&directory));
    let output = Command::new(env!("CARGO_BIN_EXE_everport-bench"))
        .args([scenario, "--any-build", "--rounds", "1"])
        .args(["--seconds", seconds, "--plot"])
        .arg(&directory)
        .output()
        .expect("the benchmark starts");
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{complained}");
    // Without plots there is no directory for them either.
    let written = fs::read_dir(&directory).map_or(0, Iterator::count);
    assert_eq!(written, plots, "{said}");
    said.into_owned()
}
