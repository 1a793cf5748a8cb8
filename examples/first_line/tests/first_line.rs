//! The example as its readers run it: each line finds its process, whatever happens to that process.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::Command;
use std::time::Instant;

use everport_tests::{Cluster, Exit, PATIENCE, is_alive};
use rustix::process::{Pid, Signal, kill_process};

const FIRST_LINE: &str = env!("CARGO_BIN_EXE_first_line");

/// The example, with its log.
struct Example(Cluster);

impl Example {
    fn start() -> Self {
        let mut command = Command::new(FIRST_LINE);
        command.arg("127.0.0.1:0");
        Self(Cluster::spawn(command))
    }

    fn connect(&self) -> TcpStream {
        let line = self.0.log().wait_for("listening on ");
        let address = line.rsplit(' ').next().expect("an address");
        let connection = TcpStream::connect(address).expect("it listens");
        let limit = Some(PATIENCE);
        connection.set_read_timeout(limit).expect("a limit of time");
        connection
    }

    /// Sends a text, and nothing after it.
    fn send(&self, text: &str) -> TcpStream {
        let mut connection = self.connect();
        connection.write_all(text.as_bytes()).expect("it is sent");
        connection.shutdown(Shutdown::Write).expect("its end");
        connection
    }

    fn ask(&self, text: &str) -> String {
        read_all(&self.send(text))
    }

    /// The process that serves this, counted from the first one that did.
    fn process(&self, service: &str, index: usize) -> Pid {
        let text = format!("{service} is served by process ");
        self.0.log().wait_for_many(index + 1, &text);
        let line = self.0.log().matching(&text).swap_remove(index);
        let number = line.rsplit(' ').next().and_then(|pid| pid.parse().ok());
        Pid::from_raw(number.expect("a number")).expect("a process")
    }
}

fn read_all(mut connection: &TcpStream) -> String {
    let mut text = String::new();
    connection.read_to_string(&mut text).expect("an answer");
    text
}

fn signal(process: Pid, signal: Signal) {
    kill_process(process, signal).expect("a child of the example");
}

#[test]
fn every_line_finds_its_process_with_all_that_was_read() {
    let example = Example::start();
    assert_eq!(example.ask("upper\nhello\nyou\n"), "HELLO\nYOU\n");
    assert_eq!(example.ask("reverse\nhello\n"), "olleh\n");
    assert_ne!(example.process("upper", 0), example.process("reverse", 0));
    // In pieces, each of which is answered before the next one is sent.
    let mut connection = example.connect();
    for piece in ["up", "per\r\nhel", "lo\n"] {
        connection.write_all(piece.as_bytes()).expect("it is sent");
    }
    let mut answer = [0; 6];
    connection.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"HELLO\n");
    connection.write_all(b"more\n").expect("it is sent");
    connection.shutdown(Shutdown::Write).expect("its end");
    assert_eq!(read_all(&connection), "MORE\n");
}

#[test]
fn whoever_asks_for_nothing_that_is_served_is_told_so() {
    let example = Example::start();
    let silent = example.connect();
    assert_eq!(
        example.ask("lower\nHELLO\n"),
        "error: nobody serves 'lower' here\n"
    );
    assert_eq!(
        example.ask(&"x".repeat(100_000)),
        "error: the first line has more than 1024 bytes\n"
    );
    assert_eq!(example.ask("upper"), "error: there was no first line\n");
    assert_eq!(
        read_all(&silent),
        "error: the first line did not come in time\n"
    );
}

#[test]
fn what_a_killed_process_has_not_taken_is_served_by_its_successor() {
    let example = Example::start();
    let first = example.process("upper", 0);
    // While it stands still it takes nothing.
    signal(first, Signal::STOP);
    let waiting: Vec<TcpStream> = (0..100)
        .map(|number| example.send(&format!("upper\nnumber {number}\n")))
        .collect();
    assert_eq!(example.ask("reverse\nhello\n"), "olleh\n");
    signal(first, Signal::KILL);
    for (number, connection) in waiting.iter().enumerate() {
        assert_eq!(read_all(connection), format!("NUMBER {number}\n"));
    }
    assert_ne!(example.process("upper", 1), first);
    example.0.log().wait_for("upper: its process died");
}

#[test]
fn a_process_that_hangs_holds_up_nobody_else_and_no_more_than_it_has_room_for() {
    let example = Example::start();
    let upper = example.process("upper", 0);
    signal(upper, Signal::STOP);
    let mut waiting = Vec::new();
    // Each is asked for its answer without a wait, so that refusals are seen as they come.
    let refused = loop {
        assert!(waiting.len() < 2_000, "there is no limit");
        let connection = example.send("upper\nhello\n");
        // This one has been read after that one.
        assert_eq!(example.ask("reverse\nhello\n"), "olleh\n");
        connection.set_nonblocking(true).expect("its mode");
        let answered = connection.peek(&mut [0]).is_ok();
        connection.set_nonblocking(false).expect("its mode");
        if answered {
            break connection;
        }
        waiting.push(connection);
    };
    let refusal = "error: too many wait for this service, try again later\n";
    assert_eq!(read_all(&refused), refusal);
    signal(upper, Signal::CONT);
    let answers: Vec<String> = waiting.iter().map(read_all).collect();
    let (first, others) = answers.split_at(64);
    assert!(first.iter().all(|answer| answer == "HELLO\n"), "{first:?}");
    let is_clear = |answer: &String| answer == "HELLO\n" || answer == refusal;
    assert!(others.iter().all(is_clear), "{others:?}");
}

#[test]
fn no_child_outlives_its_parent() {
    let example = Example::start();
    let children = ["upper", "reverse"].map(|service| example.process(service, 0));
    assert_eq!(example.0.stop(), Exit::Signal(Signal::TERM.as_raw()));
    let deadline = Instant::now() + PATIENCE;
    for child in children {
        while is_alive(child.as_raw_nonzero().get().unsigned_abs()) {
            assert!(Instant::now() < deadline, "{child:?} is still there");
            std::thread::yield_now();
        }
    }
}
