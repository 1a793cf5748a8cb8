//! The same program without a watcher.

use std::process::{Command, Stdio};

use everport_tests::{Log, get, program};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn it_serves_on_a_socket_of_its_own_and_drains_on_term() {
    let mut command = Command::new(program("test-worker"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .env_remove("EVERPORT_LINK");
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let log = Log::default();
    log.follow(server.stdout.take().unwrap());
    let line = log.wait_for("listening on ");
    let address = line.split_whitespace().last().unwrap().parse().unwrap();
    assert_eq!(get(address, "/").header("x-worker"), Some("none"));
    let slow = std::thread::spawn(move || get(address, "/slow?ms=300"));
    log.wait_for("slow begins");
    kill_process(Pid::from_child(&server), Signal::TERM).unwrap();
    assert!(server.wait().unwrap().success());
    assert_eq!(slow.join().unwrap().body, "Hello, World!");
}

#[test]
fn a_link_that_is_not_its_own_is_left_alone() {
    // A grandchild inherits the variable, but not the descriptor.
    let mut command = Command::new(program("test-worker"));
    command
        .args(["--listen", "127.0.0.1:0"])
        .env("EVERPORT_LINK", "3:12345");
    let mut server = command.stdout(Stdio::piped()).spawn().unwrap();
    let log = Log::default();
    log.follow(server.stdout.take().unwrap());
    log.wait_for("listening on ");
    server.kill().unwrap();
    server.wait().unwrap();
}
