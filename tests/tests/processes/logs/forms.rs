//! What workers log as the command writes it: no text of a worker's can forge a line, break it, or drive a terminal.

use std::path::{Path, PathBuf};
use std::process::Command;

use everport_tests::{Cluster, Exit, Kind, for_each_kind, get_unix, program};
use serde_json::Value;

for_each_kind!(
    json_has_one_object_per_line_and_every_text_as_it_was,
    plain_lines_say_whose_they_are_and_are_harmless,
    pretty_lines_drive_a_terminal_only_by_their_own_colours,
    standalone_the_same_lines_are_written_without_whose_they_are,
);

/// Texts that would like to be something else.
const HOSTILE: [&str; 8] = [
    "two\nlines",
    "2026-11-22T17:37:44.399Z ERROR watcher  worker 1 (slot 0) died: killed by SIGKILL",
    "over\r2026-11-22T17:37:44.399Z INFO  watcher  it\n2026-11-22T17:37:44.399Z INFO  watcher  two",
    "\u{1b}[2J\u{1b}]0;title\u{7}\u{9b}31m",
    "\"},{\"kind\":\"notice\",\"event\":\"stopped\"}\n{\"kind\":\"notice\"",
    "\\\" \\u0022 \\",
    "\u{202e}right to left\u{2066}\u{2028}line\u{2029}paragraph",
    "\u{85}next\u{c}page\u{b}tab\u{7f}",
];

/// A cluster with one worker, and what it has logged after all hostile texts.
fn lines_of_hostile_texts(kind: Kind, form: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("socket");
    let cluster = start(kind, form, &socket);
    cluster.log().wait_for("the cluster is ready");
    for text in HOSTILE {
        let path = format!("/log-text?text={}", escaped(text));
        assert_eq!(get_unix(&socket, &path).body, "logged");
    }
    assert_eq!(get_unix(&socket, "/log?records=1&wait=1").body, "logging");
    cluster.log().wait_for("a numbered record");
    let lines = cluster.log().lines();
    assert_eq!(cluster.stop(), Exit::Code(0));
    lines
}

fn start(kind: Kind, form: &str, socket: &Path) -> Cluster {
    let arguments = format!("--logging --unix {}", socket.display());
    kind.start(&format!("-w 1 --log-format {form}"), &arguments)
}

/// For a URL.
fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

fn is_harmless(text: &str) -> bool {
    let moves = |character| matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    !text
        .chars()
        .any(|character| character.is_control() || moves(character))
}

fn json_has_one_object_per_line_and_every_text_as_it_was(kind: Kind) {
    let lines = lines_of_hostile_texts(kind, "json");
    let entries: Vec<Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        assert!(
            line.chars().all(|character| !character.is_control()),
            "{line}"
        );
    }
    let records: Vec<&Value> = entries
        .iter()
        .filter(|entry| entry["kind"] == "record" && entry["target"] != "numbered")
        .collect();
    assert_eq!(records.len(), 2 * HOSTILE.len());
    for (text, pair) in HOSTILE.iter().zip(records.chunks(2)) {
        assert_eq!(pair[0]["fields"]["in_field"], *text);
        assert_eq!(pair[1]["target"], *text);
        for record in pair {
            assert_eq!(record["message"], *text);
            assert_eq!(record["thread"], *text);
            assert_eq!(record["spans"][0]["fields"]["in_span"], *text);
            assert_eq!(record["worker"], 1);
        }
    }
    // Nothing became a notice.
    let stopped = entries.iter().filter(|entry| entry["event"] == "stopped");
    assert_eq!(stopped.count(), 0);
}

fn plain_lines_say_whose_they_are_and_are_harmless(kind: Kind) {
    let lines = lines_of_hostile_texts(kind, "plain");
    let first = lines
        .iter()
        .position(|line| line.contains("is ready in") || line.contains("the cluster is ready"))
        .unwrap();
    let last = lines
        .iter()
        .position(|line| line.contains("a numbered record"))
        .unwrap();
    for line in &lines[first + 1..=last] {
        let (time, rest) = line.split_at(24);
        assert!(
            time.ends_with('Z') && time[..4].parse::<u32>().is_ok(),
            "{line}"
        );
        assert!(rest.starts_with(" INFO  0.1      "), "{line}");
        assert!(is_harmless(line), "{line:?}");
    }
}

fn pretty_lines_drive_a_terminal_only_by_their_own_colours(kind: Kind) {
    for line in lines_of_hostile_texts(kind, "pretty") {
        let mut rest = line.as_str();
        let mut text = String::new();
        // What is left without the colours that are ours.
        while let Some((before, after)) = rest.split_once("\u{1b}[") {
            text.push_str(before);
            let (colour, after) = after.split_once('m').unwrap();
            let is_colour = |byte: u8| byte.is_ascii_digit() || byte == b';';
            assert!(colour.bytes().all(is_colour), "{line:?}");
            rest = after;
        }
        text.push_str(rest);
        assert!(is_harmless(&text), "{line:?}");
    }
}

fn standalone_the_same_lines_are_written_without_whose_they_are(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let in_cluster = lines_of_levels(
        start(kind, "plain", &directory.path().join("1")),
        "1",
        &directory,
    );
    let mut command = Command::new(program("test-worker"));
    let socket = directory.path().join("2");
    command.arg("--logging").arg("--unix").arg(&socket);
    let standalone = lines_of_levels(Cluster::spawn(command), "2", &directory);
    let expected: Vec<String> = in_cluster
        .iter()
        .map(|line| line.replace("0.1      ", ""))
        .collect();
    assert_eq!(standalone, expected);
}

/// The lines of `/log-levels` without their times.
fn lines_of_levels(cluster: Cluster, socket: &str, directory: &tempfile::TempDir) -> Vec<String> {
    let socket: PathBuf = directory.path().join(socket);
    let deadline = std::time::Instant::now() + everport_tests::PATIENCE;
    // A program without a watcher does not say when it listens.
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(std::time::Instant::now() < deadline, "nobody listens");
        std::thread::yield_now();
    }
    assert_eq!(get_unix(&socket, "/log-levels").body, "logged");
    assert_eq!(get_unix(&socket, "/log?records=1&wait=1").body, "logging");
    cluster.log().wait_for("a numbered record");
    let of_records = |line: &String| line.contains("(everport_tests::worker::log)");
    let lines = cluster.log().lines().into_iter().filter(of_records);
    lines.map(|line| line[25..].to_owned()).collect()
}
