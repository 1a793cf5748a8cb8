//! Requests and connections that outlast a rolling restart, and fresh ones that meet it.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use everport_tests::{Answer, Kind, PATIENCE, for_each_kind, share_turn, unless_spoilt};

for_each_kind!(
    a_slow_upload_and_a_slow_download_outlast_a_rolling_restart,
    an_upgraded_connection_is_told_of_the_drain_and_ends_at_its_deadline,
    fresh_connections_that_hesitate_lose_nothing_to_plain_axum,
    fresh_connections_that_hesitate_lose_nothing_to_everport_http,
);

/// How long a download takes: far longer than a restart.
const SLOW: Duration = Duration::from_secs(10);
const PIECES: u32 = 10;

fn connect(address: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection
}

/// What comes until the server closes the connection.
fn answer(mut connection: TcpStream) -> Answer {
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// Sends half of the pieces, and the other half when it is to go on: slowly, as its worker may yet have to hear of the drain.
fn upload(mut connection: TcpStream, goes_on: &Receiver<()>) -> Answer {
    for piece in 0..PIECES {
        if piece == PIECES / 2 {
            goes_on.recv_timeout(PATIENCE).unwrap();
        }
        if piece >= PIECES / 2 {
            thread::sleep(SLOW / PIECES);
        }
        connection.write_all(b"piece").unwrap();
    }
    answer(connection)
}

fn a_slow_upload_and_a_slow_download_outlast_a_rolling_restart(kind: Kind) {
    let _turn = share_turn();
    let cluster = kind.ready("-w 1 --settle 0", "--http --listen 127.0.0.1:0");
    let old = cluster.workers()[0].worker;
    let mut down = connect(cluster.address());
    write!(
        down,
        "GET /download?ms={} HTTP/1.1\r\nHost: test\r\n\r\n",
        SLOW.as_millis()
    )
    .unwrap();
    cluster.log().wait_for("download begins");
    let mut up = connect(cluster.address());
    let head = format!("Host: test\r\nContent-Length: {}\r\n", 5 * PIECES);
    write!(up, "POST /upload HTTP/1.1\r\n{head}\r\n").unwrap();
    let (go_on, goes_on) = channel();
    let up = thread::spawn(move || upload(up, &goes_on));
    let down = thread::spawn(move || answer(down));
    cluster.restart();
    cluster
        .log()
        .wait_for(&format!("worker {old} (slot 0) drains"));
    assert!(!up.is_finished() && !down.is_finished());
    go_on.send(()).unwrap();

    let up = up.join().unwrap();
    assert_eq!(up.body, "50 bytes");
    assert_eq!(up.worker(), old);
    assert_eq!(up.header("connection"), Some("close"));
    let down = down.join().unwrap();
    assert_eq!(down.body.matches("line").count(), 10, "{down:?}");
    assert!(down.body.ends_with("0\r\n\r\n"), "{down:?}");
    assert_eq!(down.worker(), old);
    cluster.log().wait_for(&format!(
        "worker {old} (slot 0) has drained: 2 connections told to close"
    ));
}

fn an_upgraded_connection_is_told_of_the_drain_and_ends_at_its_deadline(kind: Kind) {
    unless_spoilt(|| upgrade_and_drain(kind));
}

/// An error when the worker stood still from its deadline up to that of the watcher, a second later.
fn upgrade_and_drain(kind: Kind) -> Result<(), String> {
    let _turn = share_turn();
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    // The process goes on after the deadline: it is not its end that ends the connection.
    std::fs::write(&release, "v1 ignores-drain").unwrap();
    let cluster = kind.ready(
        "-w 1 --settle 0 --shutdown-timeout 4",
        &format!(
            "--http --listen 127.0.0.1:0 --release {}",
            release.display()
        ),
    );
    let mut connection = connect(cluster.address());
    let head = "Host: test\r\nConnection: upgrade\r\nUpgrade: everport-test\r\n\r\n";
    write!(connection, "GET /upgrade HTTP/1.1\r\n{head}?").unwrap();
    read_until(&mut connection, b"\r\n\r\n?");
    let began = Instant::now();
    cluster.restart();
    read_until(&mut connection, b"goodbye");
    connection.write_all(b"!").unwrap();
    read_until(&mut connection, b"!");
    // A worker is told of a second less than it has.
    let mut rest = Vec::new();
    let ended = connection.read_to_end(&mut rest);
    assert!(
        began.elapsed() >= Duration::from_secs(3),
        "{ended:?} {rest:?}"
    );
    // It is the handler that tells, so the worker was there when the connection had ended.
    let told = [
        "the upgraded connection has ended",
        "worker 1 (slot 0) timed out draining: 1 connection cut",
    ];
    let ended = "worker 1 (slot 0) ended: ";
    cluster.log().wait_for(ended);
    let is_told = |text: &&str| !cluster.log().matching(text).is_empty();
    match told.iter().all(is_told) {
        true => Ok(()),
        false => Err(cluster.log().lines().join("\n")),
    }
}

fn read_until(connection: &mut TcpStream, expected: &[u8]) {
    let mut read = Vec::new();
    while !read.ends_with(expected) {
        let mut byte = [0];
        connection.read_exact(&mut byte).unwrap();
        read.push(byte[0]);
    }
}

/// What clients that hesitate have seen together.
#[derive(Default)]
struct Tally {
    answered: AtomicU64,
    lost: AtomicU64,
    excused: AtomicU64,
    is_over: AtomicBool,
}

/// Ends the clients, whether the test goes on or fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Connects, hesitates, and only then sends the first request: again and again.
fn hesitate(address: SocketAddr, hesitation: Duration, tally: &Tally) {
    while !tally.is_over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        let mut sent = None;
        match ask_late(address, hesitation, &mut sent) {
            Ok(answer) if answer.ends_with("Hello, World!") => &tally.answered,
            // The machine let it hesitate for longer than a first byte is waited for.
            Ok(_) | Err(_) if sent.unwrap_or_else(Instant::now) - begin > LONGEST_HESITATION => {
                &tally.excused
            }
            Ok(_) | Err(_) => &tally.lost,
        }
        .fetch_add(1, Ordering::Relaxed);
    }
}

/// Less than the second for which the first byte of a fresh connection is waited for.
const LONGEST_HESITATION: Duration = Duration::from_millis(800);

fn ask_late(
    address: SocketAddr,
    hesitation: Duration,
    sent: &mut Option<Instant>,
) -> std::io::Result<String> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    thread::sleep(hesitation);
    connection.write_all(b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n")?;
    *sent = Some(Instant::now());
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}

fn restarts_lose_no_fresh_connection(kind: Kind, arguments: &str) {
    const CLIENTS: u32 = 32;
    let arguments = format!("{arguments} --listen 127.0.0.1:0");
    let cluster = kind.ready("-w 2 --settle 0", &arguments);
    let (address, tally) = (cluster.address(), Tally::default());
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            // Up to a quarter of the second that plain axum waits for a first byte: a busy machine wakes a client late.
            let hesitation = Duration::from_millis(250) * number / CLIENTS;
            let tally = &tally;
            scope.spawn(move || hesitate(address, hesitation, tally));
        }
        let _over = Over(&tally.is_over);
        for _ in 0..4 {
            // Each client has been there for each restart, or the test would show nothing.
            let before = tally.answered.load(Ordering::Relaxed);
            let deadline = Instant::now() + PATIENCE;
            while tally.answered.load(Ordering::Relaxed) < before + u64::from(CLIENTS)
                && Instant::now() < deadline
            {
                thread::sleep(Duration::from_millis(1));
            }
            cluster.restart();
        }
    });
    let (answered, lost) = (tally.answered.into_inner(), tally.lost.into_inner());
    println!("{} hesitated for too long", tally.excused.into_inner());
    assert!(
        answered >= 4 * u64::from(CLIENTS),
        "only {answered} answers"
    );
    assert_eq!(lost, 0, "of {}", answered + lost);
}

fn fresh_connections_that_hesitate_lose_nothing_to_plain_axum(kind: Kind) {
    let _turn = share_turn();
    restarts_lose_no_fresh_connection(kind, "");
}

fn fresh_connections_that_hesitate_lose_nothing_to_everport_http(kind: Kind) {
    let _turn = share_turn();
    restarts_lose_no_fresh_connection(kind, "--http");
}
