//! The example says which worker answered, and that there is none without a cluster.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Instant;

use everport_tests::{Cluster, Exit, PATIENCE, take_turn, wait_for_port};

const HELLO_TCP: &str = env!("CARGO_BIN_EXE_hello_tcp");

/// So many connections reach both of two workers, or something is wrong: by chance all of them go to one
/// with a probability of 2⁻¹⁹⁹.
const MANY: usize = 200;

fn address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8081))
}

/// The line that one connection brings.
fn ask() -> io::Result<String> {
    let mut connection = TcpStream::connect(address())?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut line = String::new();
    connection.read_to_string(&mut line)?;
    Ok(line)
}

#[test]
fn every_worker_says_its_name() {
    let _turn = take_turn();
    wait_for_port("127.0.0.1:8081");
    let mut command = Cluster::command(["--workers", "2"]);
    command.arg("--").arg(HELLO_TCP);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    let expected: BTreeSet<String> = cluster
        .workers()
        .iter()
        .map(|seen| format!("Hello from worker {} in slot {}!\n", seen.worker, seen.slot))
        .collect();
    assert_eq!(expected.len(), 2);
    let answers: BTreeSet<String> = (0..MANY).map(|_| ask().expect("an answer")).collect();
    assert_eq!(answers, expected);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn without_a_cluster_it_says_so() {
    let _turn = take_turn();
    wait_for_port("127.0.0.1:8081");
    let program = Cluster::spawn(Command::new(HELLO_TCP));
    let deadline = Instant::now() + PATIENCE;
    let answer = loop {
        match ask() {
            Ok(answer) => break answer,
            // It does not say when it listens, so it is asked until it does.
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        std::thread::yield_now();
    };
    assert_eq!(answer, "Hello from a program without a cluster!\n");
    assert_eq!(program.stop(), Exit::Code(0));
}
