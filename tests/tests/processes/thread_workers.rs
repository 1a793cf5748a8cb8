//! A program whose workers are threads, where it is not as if they were processes.

use std::fs;

use everport_tests::{Cluster, Exit, Kind, PATIENCE, get};
use rustix::process::Signal;

#[test]
fn what_only_processes_can_have_is_refused_by_name() {
    let mut cluster = Kind::Threads.start("-w 2 --max-memory 1G", "--listen 127.0.0.1:0");
    assert_eq!(cluster.wait(), Exit::Code(2));
    let line = cluster.log().wait_for("cannot be used with");
    assert!(
        line.contains("--threads <N>") && line.contains("--max-memory <SIZE>"),
        "{line}"
    );
}

#[test]
fn what_a_worker_prints_goes_to_standard_output_as_it_is_and_lines_stay_whole() {
    let cluster = Kind::Threads.ready("-w 2", "--logging --listen 127.0.0.1:0");
    for number in 0..50 {
        let text = format!("/print?text=printed+{number}%0A");
        assert_eq!(get(cluster.address(), &text).body, "printed");
        let answer = get(cluster.address(), "/log?records=10&wait=1");
        assert_eq!(answer.body, "logging");
    }
    cluster.log().wait_for_many(500, "a numbered record");
    let log = cluster.log().clone();
    assert_eq!(cluster.stop(), Exit::Code(0));
    let lines = log.lines();
    for number in 0..50 {
        // Once by standard output, once by standard error.
        let printed = format!("printed {number}");
        assert_eq!(lines.iter().filter(|line| **line == printed).count(), 2);
    }
}

/// A thread that no worker has started, or that has not said whose it is, has no watcher to hand its records to.
#[test]
fn what_threads_of_nobody_log_is_printed_without_whose_it_is() {
    let cluster = Kind::Threads.ready("-w 2", "--logging --listen 127.0.0.1:0");
    assert_eq!(get(cluster.address(), "/log-by-nobody").body, "logged");
    let line = cluster.log().wait_for("by a thread of nobody");
    let (_time, rest) = line.split_once(' ').unwrap();
    assert!(rest.starts_with("WARN  by a thread of nobody"), "{line}");
    assert!(cluster.log().matching("too detailed").is_empty());
}

#[test]
fn hup_opens_the_log_file_anew_and_goes_to_no_worker() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log");
    let options = format!("-w 2 --log-to stdout --log-file {}", file.display());
    let cluster = Kind::Threads.ready(&options, "--logging --listen 127.0.0.1:0");
    fs::rename(&file, directory.path().join("old")).unwrap();
    cluster.signal(Signal::HUP);
    let deadline = std::time::Instant::now() + PATIENCE;
    let is_there = || fs::read_to_string(&file).is_ok_and(|text| text.contains("as a warning"));
    while !is_there() {
        assert!(std::time::Instant::now() < deadline, "no new file");
        assert_eq!(get(cluster.address(), "/log-levels").body, "logged");
    }
    assert_eq!(cluster.workers().len(), 2);
}

/// The watcher of processes reaps what nobody waits for; here whoever started a child waits for it.
#[test]
fn children_that_workers_start_are_theirs_to_wait_for() {
    let cluster = Kind::Threads.ready("-w 2", "--listen 127.0.0.1:0");
    for _ in 0..50 {
        assert_eq!(get(cluster.address(), "/child").body, "exited with 7");
    }
}

#[test]
fn as_a_worker_of_everport_it_is_a_process_whatever_it_was_told() {
    let cluster = Cluster::ready("-w 2", "--threads 3 --listen 127.0.0.1:0");
    let workers = cluster.workers();
    assert_eq!(workers.len(), 2);
    assert!(workers.iter().all(|worker| !worker.is_thread));
    assert!(get(cluster.address(), "/").worker() <= 2);
}

#[test]
fn a_thread_that_hangs_ends_the_program_if_that_is_asked_for() {
    let options = "-w 2 --hang-timeout 4 --shutdown-timeout 10 --exit-on-abandoned-thread";
    let mut cluster = Kind::Threads.ready(options, "--listen 127.0.0.1:0");
    let _hung = crate::waiting::block_one(&cluster);
    crate::waiting::check_answered(crate::waiting::ask_many(cluster.address()));
    assert_eq!(cluster.wait(), Exit::Code(9));
}
