//! The example as its readers run it: its cluster outlives every worker, standalone it is over with the first crash.

use std::process::Command;

use everport_tests::{Cluster, Exit, take_turn, wait_for_port};

const FAILING: &str = env!("CARGO_BIN_EXE_failing");

/// What a program exits with that panics.
const PANICKED: i32 = 101;

#[test]
fn processes_that_crash_are_respawned_and_wait_longer_each_time() {
    let _turn = take_turn();
    let mut command = Cluster::command(["--workers", "2"]);
    command.arg("--").arg(FAILING);
    check(command, "died: exited with code 101");
}

#[test]
fn threads_that_crash_are_respawned_and_wait_longer_each_time() {
    let _turn = take_turn();
    let mut command = Command::new(FAILING);
    command.args(["--threads", "2"]);
    check(command, "died: panicked at examples/failing/src/main.rs:");
}

fn check(command: Command, death: &str) {
    wait_for_port("127.0.0.1:8080");
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    let log = cluster.log();
    log.wait_for("this worker has not long to live");
    log.wait_for("this worker always ends like this location=");
    log.wait_for("| backtrace");
    log.wait_for(death);
    // Three are the two first workers and a successor.
    log.wait_for_many(3, "is ready after");
    log.wait_for("before its next worker (2 failures in a row)");
    log.wait_for("before its next worker (3 failures in a row)");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn standalone_it_crashes() {
    let _turn = take_turn();
    wait_for_port("127.0.0.1:8080");
    let mut program = Cluster::spawn(Command::new(FAILING));
    assert_eq!(program.wait(), Exit::Code(PANICKED));
    program.log().wait_for("this worker always ends like this");
}
