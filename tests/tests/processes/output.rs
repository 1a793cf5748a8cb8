//! What workers print.

use everport_tests::{Cluster, Kind, Unread, get};
use rustix::process::Signal;

#[test]
fn lines_are_whole_tagged_and_harmless() {
    let cluster = Cluster::ready("-w 2", "--listen 127.0.0.1:0");
    let answer = get(cluster.address(), "/print?text=one%20line%1b[31m%07\\n");
    let slot = cluster
        .workers()
        .iter()
        .find(|seen| seen.worker == answer.worker())
        .unwrap()
        .slot;
    let tag = format!("{slot}.{}", answer.worker());
    cluster
        .log()
        .wait_for(&format!("INFO  {tag} out  one line\\x1b[31m\\x07"));
    cluster
        .log()
        .wait_for(&format!("INFO  {tag} err  one line\\x1b[31m\\x07"));
}

#[test]
fn over_long_lines_are_split_with_a_mark_and_nothing_of_them_is_lost() {
    let cluster = Cluster::ready("-w 1", "--listen 127.0.0.1:0");
    let answer = get(cluster.address(), "/print?text=0123456789&times=5000");
    assert_eq!(answer.body, "printed");
    let end = get(cluster.address(), "/print?text=%20the-end\\n");
    assert_eq!(end.body, "printed");
    cluster.log().wait_until("all of the long line", |lines| {
        let printed: usize = lines
            .iter()
            .filter(|line| line.contains(" out  "))
            .map(|line| line.matches("0123456789").count())
            .sum();
        (printed >= 4990).then_some(())
    });
}

#[test]
fn the_last_words_before_a_crash_are_in_the_log_with_its_cause() {
    let cluster = Cluster::ready("-w 1", "--listen 127.0.0.1:0");
    let answer = get(cluster.address(), "/print?text=last%20words");
    assert_eq!(answer.worker(), 1);
    cluster.workers()[0].signal(Signal::ABORT);
    cluster
        .log()
        .wait_for("worker 1 (slot 0) died: killed by SIGABRT");
    cluster.log().wait_for("0.1 err  last words");
    cluster.log().wait_for("| last words");
}

#[test]
fn a_reader_that_is_stuck_stops_nothing() {
    // A worker prints far more than fits into the pipe that nobody reads.
    let mut cluster = Unread::start(Kind::Processes, "", "");
    for _ in 0..4 {
        let flood = cluster.get("/print?text=a%20line%20nobody%20reads\\n&times=100000");
        assert_eq!(flood.body, "printed");
    }
    assert_eq!(cluster.get("/").body, "Hello, World!");
    // Read again, the log tells what is missing from it.
    cluster.read().wait_for("entries lost");
    cluster.stop();
}
