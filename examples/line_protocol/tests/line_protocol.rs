//! The example as its readers run it: clients that know its goodbye lose nothing, and those that do not get whole answers.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use everport_tests::{Cluster, Exit, PATIENCE, share_turn, standalone, two_workers_of, wait_until};
use rustix::process::Signal;

const LINE_PROTOCOL: &str = env!("CARGO_BIN_EXE_line_protocol");
const CLIENTS: u64 = 8;
/// So many lines are on their way at a time.
const BATCH: usize = 20;

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let connection = TcpStream::connect(address).unwrap();
        connection.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(connection))
    }

    fn send(&mut self, text: &str) {
        self.0.get_mut().write_all(text.as_bytes()).unwrap();
    }

    fn send_the_last(&mut self) {
        self.0.get_mut().shutdown(Shutdown::Write).unwrap();
    }

    /// A line without its end; empty at the end of the connection.
    fn read(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn read_all(&mut self) -> String {
        let mut text = String::new();
        self.0.read_to_string(&mut text).unwrap();
        text
    }
}

fn cluster(options: &str) -> Cluster {
    let mut command = Cluster::command(options.split_whitespace());
    command.args(["--", LINE_PROTOCOL, "127.0.0.1:0"]);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    cluster
}

/// What many clients see.
#[derive(Default)]
struct Seen {
    answers: AtomicU64,
    goodbyes: AtomicU64,
    is_over: AtomicBool,
}

/// Ends the clients, even when the test has failed.
struct Ending<'a>(&'a Seen);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Relaxed);
    }
}

/// Sends lines many at a time until it is over; a client that is told goodbye connects again.
fn converse(address: SocketAddr, seen: &Seen) {
    while !seen.is_over.load(Relaxed) {
        let mut client = Client::connect(address);
        while !seen.is_over.load(Relaxed) {
            let lines = (0..BATCH).map(|number| format!("line {number}\n"));
            client.send(&lines.collect::<String>());
            if read_batch(&mut client, seen) {
                seen.goodbyes.fetch_add(1, Relaxed);
                client.send_the_last();
                assert_eq!(client.read_all(), "", "an answer to nothing");
                break;
            }
        }
    }
}

/// Reads an answer to each line that was sent, and returns whether there was a goodbye among them.
fn read_batch(client: &mut Client, seen: &Seen) -> bool {
    let mut is_goodbye = false;
    for number in 0..BATCH {
        let mut answer = client.read();
        if answer == "bye" {
            assert!(!is_goodbye, "said twice");
            is_goodbye = true;
            answer = client.read();
        }
        assert_eq!(answer, format!("ok LINE {number}"));
        seen.answers.fetch_add(1, Relaxed);
    }
    is_goodbye
}

#[test]
fn rolling_restarts_lose_no_line_of_clients_that_know_its_goodbye() {
    let _turn = share_turn();
    let cluster = two_workers_of(LINE_PROTOCOL);
    let address = cluster.address();
    let seen = Seen::default();
    std::thread::scope(|scope| {
        let _ending = Ending(&seen);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| scope.spawn(|| converse(address, &seen)))
            .collect();
        for restarts in 1..=3 {
            let (answers, goodbyes) = (seen.answers.load(Relaxed), seen.goodbyes.load(Relaxed));
            cluster.restart();
            wait_until("goodbyes, and answers after them", || {
                let is_told = seen.goodbyes.load(Relaxed) > goodbyes;
                let goes_on = seen.answers.load(Relaxed) >= answers + 1000;
                is_told && goes_on || clients.iter().any(|client| client.is_finished())
            });
            cluster.log().wait_for_many(2 * restarts, "has drained");
        }
    });
    assert_eq!(cluster.log().matching("timed out"), [""; 0]);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_client_that_does_not_leave_is_answered_for_a_while_and_then_left() {
    let cluster = cluster("--workers 1 --settle 0");
    let mut client = Client::connect(cluster.address());
    client.send("one\nhalf");
    assert_eq!(client.read(), "ok ONE");
    cluster.restart();
    assert_eq!(client.read(), "bye");
    client.send(" a line\ntwo\nthr");
    assert_eq!(client.read(), "ok HALF A LINE");
    assert_eq!(client.read(), "ok TWO");
    // It says nothing more, and does not close.
    assert_eq!(client.read_all(), "");
    drop(client);
    cluster.log().wait_for("worker 1 (slot 0) has drained");
}

#[test]
fn what_comes_behind_a_line_that_is_too_long_takes_no_answer_away() {
    let cluster = cluster("--workers 1");
    let mut client = Client::connect(cluster.address());
    let most = "x".repeat(1023);
    client.send(&format!("{most}\n{most}y\n{}", "z".repeat(100_000)));
    assert_eq!(client.read_all(), format!("ok {}\n", most.to_uppercase()));
}

#[test]
fn it_serves_standalone_and_says_goodbye() {
    let (mut program, address) = standalone(LINE_PROTOCOL);
    let mut client = Client::connect(address);
    client.send("hello\n");
    assert_eq!(client.read(), "ok HELLO");
    program.signal(Signal::TERM);
    assert_eq!(client.read(), "bye");
    client.send("you\n");
    client.send_the_last();
    assert_eq!(client.read_all(), "ok YOU\n");
    assert_eq!(program.wait(), Exit::Code(0));
}
