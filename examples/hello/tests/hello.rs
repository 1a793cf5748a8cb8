//! The example as its readers run it: by the command, standalone, and as its own watcher.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use everport_tests::{Cluster, Exit, PATIENCE, get, has_ipv6, take_turn, wait_for_port};
use rustix::process::Signal;

const HELLO: &str = env!("CARGO_BIN_EXE_hello");

/// What it logs when it begins.
const SAID: &str = "about to say hello ipv4=0.0.0.0:8080 ipv6=[::]:8080 (hello)";

/// Where it answers.
const ADDRESSES: [&str; 2] = ["127.0.0.1:8080", "[::1]:8080"];

/// Whether both of its addresses can be had, once nobody else has them. Binding the IPv6 wildcard covers both families.
fn may_begin() -> bool {
    let has_both = has_ipv6();
    if has_both {
        wait_for_port("[::]:8080");
    }
    has_both
}

fn check_answers() {
    for address in ADDRESSES {
        let answer = get(address.parse().expect("an address"), "/");
        assert!(answer.head.starts_with("HTTP/1.1 200 OK"), "{answer:?}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(answer.body, "Hello, World!");
    }
}

/// A program without a watcher does not say when it listens, so it is asked until it does.
fn wait_until_it_listens() {
    let deadline = Instant::now() + PATIENCE;
    for address in ADDRESSES {
        let address: SocketAddr = address.parse().expect("an address");
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < deadline, "nothing listens on {address}");
            std::thread::yield_now();
        }
    }
}

#[test]
fn it_serves_in_a_cluster() {
    let _turn = take_turn();
    if !may_begin() {
        return;
    }
    let mut command = Cluster::command(["--workers", "2"]);
    command.arg("--").arg(HELLO);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    cluster.log().wait_for_many(2, SAID);
    check_answers();
    cluster.restart();
    check_answers();
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn its_health_check_fails_before_a_stop_while_it_goes_on_serving() {
    let _turn = take_turn();
    if !may_begin() {
        return;
    }
    let health = || get(ADDRESSES[0].parse().expect("an address"), "/healthz").head;
    let mut command = Cluster::command(["--workers", "2", "--drain-delay", "8"]);
    command.arg("--").arg(HELLO);
    let mut cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    assert!(health().starts_with("HTTP/1.1 200 OK"));
    let before = Instant::now();
    cluster.signal(Signal::TERM);
    // Each worker hears of it by itself, a moment after the other.
    for _ in 0..10 {
        while !health().starts_with("HTTP/1.1 503 Service Unavailable") {
            assert!(before.elapsed() < PATIENCE, "the health check never fails");
        }
    }
    check_answers();
    assert_eq!(cluster.wait(), Exit::Code(0));
    assert!(before.elapsed() >= Duration::from_secs(8));
}

#[test]
fn it_serves_standalone() {
    let _turn = take_turn();
    if !may_begin() {
        return;
    }
    let hello = Cluster::spawn(Command::new(HELLO));
    wait_until_it_listens();
    check_answers();
    hello.log().wait_for(SAID);
    assert_eq!(hello.stop(), Exit::Code(0));
}

#[test]
fn it_serves_as_the_watcher_of_processes() {
    serves_as_its_own_watcher("--workers");
}

#[test]
fn it_serves_as_the_watcher_of_threads() {
    serves_as_its_own_watcher("--threads");
}

fn serves_as_its_own_watcher(workers: &str) {
    let _turn = take_turn();
    if !may_begin() {
        return;
    }
    let mut command = Command::new(HELLO);
    command.args([workers, "2", "--log-level", "debug"]);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    assert_eq!(cluster.workers().len(), 2);
    check_answers();
    let said = "saying hello in request{method=GET path=/} (hello)";
    cluster.log().wait_for_many(ADDRESSES.len(), said);
    cluster.restart();
    check_answers();
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn its_help_says_what_it_is() {
    let output = Command::new(HELLO)
        .arg("--help")
        .output()
        .expect("its help");
    let help = String::from_utf8(output.stdout).expect("a text");
    let expected = "Says hello to everybody who asks on port 8080\n\nUsage: hello [OPTIONS]\n";
    assert!(help.starts_with(expected), "{help}");
}

#[test]
fn it_is_a_short_program() {
    let lines = include_str!("../src/main.rs").lines().count();
    assert!(lines < 50, "{lines} lines");
}
