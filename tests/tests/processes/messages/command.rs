//! Messages under `everport run`, which has no application, without a watcher, and from strangers.

use std::process::{Command, Stdio};

use everport_tests::{
    Cluster, Kind, Log, for_each_kind, inspectable, open_descriptors, program, share_turn,
    wait_until,
};
use rustix::process::Signal;

for_each_kind!(
    without_an_application_what_is_sent_to_the_watcher_goes_nowhere_and_calls_fail_at_once,
    the_commands_limit_counts_for_its_workers,
    descriptors_come_back_and_whoever_uses_no_messages_needs_none,
);

fn without_an_application_what_is_sent_to_the_watcher_goes_nowhere_and_calls_fail_at_once(
    kind: Kind,
) {
    let cluster = kind.ready("-w 2", "--listen 127.0.0.1:0 --try-messages");
    let log = cluster.log();
    log.wait_for_many(2, "sent to the watcher: done");
    log.wait_for_many(2, "sent to all: done");
    log.wait_for_many(2, "sent at length: done");
    log.wait_for_many(
        2,
        "called the watcher: the watcher answers no requests of the event `echo`",
    );
}

fn the_commands_limit_counts_for_its_workers(kind: Kind) {
    let cluster = kind.ready(
        "-w 1 --message-limit 64K",
        "--listen 127.0.0.1:0 --try-messages",
    );
    cluster.log().wait_for(
        "sent at length: a message of 100002 bytes as JSON is longer than the limit of 65536",
    );
}

/// By `docs/protocol.md` alone.
#[test]
fn workers_in_another_language_exchange_messages() {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/processes/messages/worker.py"
    );
    let cluster = Cluster::spawn(Cluster::command(["-w", "2", "--", "python3", script]));
    let log = cluster.log();
    log.wait_for("the cluster is ready");
    log.wait_for("7: outcome 0 of peer 1: \"hello\"");
    log.wait_for_many(2, "8: outcome 1 of peer 0");
    assert!(log.matching("has lost its messages").is_empty());
    cluster.signal(Signal::TERM);
    log.wait_for_many(2, "ended: exited");
}

#[test]
fn standalone_what_is_sent_goes_nowhere_and_calls_fail() {
    let mut command = Command::new(program("test-worker"));
    command
        .args(["--listen", "127.0.0.1:0", "--try-messages", "--messages"])
        .env_remove("EVERPORT_LINK");
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let log = Log::default();
    log.follow(server.stdout.take().unwrap());
    log.wait_for("sent to the watcher: done");
    log.wait_for("sent to all: done");
    log.wait_for("called the watcher: there is nobody to call");
    log.wait_for("listening on");
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Processes only, as the next one: what is in the thread of another worker is this program's own code, no stranger.
#[test]
fn a_worker_that_breaks_the_rules_of_messages_loses_nothing_else() {
    let check = |rudeness: &str, expected: &str| {
        let cluster = Cluster::start("-w 1", &format!("--rude {rudeness}"));
        let line = cluster.log().wait_for("has lost its messages");
        assert!(line.contains(expected), "{line}");
        cluster.log().wait_for("the message socket has ended");
        cluster.signal(Signal::TTIN);
        cluster.log().wait_for_many(2, "is ready after");
        let log = cluster.log();
        assert!(log.matching("the link has ended").is_empty());
        assert!(log.matching("broke the link's protocol").is_empty());
    };
    check("messages-nonsense", "a frame of the unknown kind 65535");
    check(
        "messages-overdrawn",
        "more to worker 1 than its window allows",
    );
    check(
        "messages-overcredited",
        "1 bytes credited to the watcher that never came",
    );
}

#[test]
fn a_worker_that_asks_for_messages_twice_loses_its_link() {
    let cluster = Cluster::start("-w 1 --boot-timeout 5", "--rude messages-twice");
    cluster.log().wait_for("OpenMessages was sent twice");
}

fn descriptors_come_back_and_whoever_uses_no_messages_needs_none(kind: Kind) {
    let _turn = share_turn();
    let worn = |arguments: &str| {
        let options = "-w 4 --settle 0 --surge 4";
        let cluster = Cluster::spawn(inspectable(kind.command(options, arguments)));
        cluster.wait_until_ready();
        let restart = |times: usize| {
            let ended = cluster.log().matching(kind.ended()).len();
            for _ in 0..times {
                cluster.restart();
            }
            cluster.log().wait_for_many(ended + 4 * times, kind.ended());
        };
        restart(5);
        let before = open_descriptors(cluster.pid());
        restart(60);
        wait_until("no more descriptors than before", || {
            open_descriptors(cluster.pid()) <= before
        });
        cluster
    };
    let without = worn("--listen 127.0.0.1:0");
    let with = worn("--listen 127.0.0.1:0 --try-messages");
    let ends = match kind {
        Kind::Processes => 1,
        Kind::Threads => 3, // the worker's own end is in the same process, and there twice
    };
    // The last ones are closed by tasks that end a moment after the workers.
    wait_until("one for each end", || {
        open_descriptors(with.pid()) == open_descriptors(without.pid()) + 4 * ends
    });
}
