//! Each way to lose a request is told apart.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use everport_load::FailureKind::{
    BadAnswer, EndOfFile, Refused, ResetBeforeAnyByte, ResetOnReused, TimedOut, Truncated,
};
use everport_load::{FailureKind, Load, Phase, Report};

use crate::run;
use crate::server::{
    Server, answer, answer_one, read_request, refusing_address, reset, whole_answer, write,
    write_and_end,
};

#[test]
fn nobody_listening_is_a_refusal() {
    check_all_fail(one_shot(refusing_address()), Refused);
}

#[test]
fn a_reset_at_accept_is_a_reset_before_any_byte() {
    check_server(reset, ResetBeforeAnyByte);
}

#[test]
fn a_reset_after_the_request_is_a_reset_before_any_byte() {
    let handle = |mut stream: TcpStream| {
        read_request(&mut stream);
        reset(stream);
    };
    check_server(handle, ResetBeforeAnyByte);
}

#[test]
fn a_close_in_good_order_without_an_answer_is_an_end_of_file() {
    let handle = |mut stream: TcpStream| {
        read_request(&mut stream);
    };
    check_server(handle, EndOfFile);
}

#[test]
fn an_answer_that_breaks_off_is_truncated() {
    let whole = [
        whole_answer("", "hello"),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n".to_owned(),
    ];
    for whole in whole {
        for length in [1, 20, whole.len() - 1] {
            let part = whole[..length].to_owned();
            let handle = move |mut stream: TcpStream| {
                read_request(&mut stream);
                write(&mut stream, &part);
            };
            check_server(handle, Truncated);
        }
    }
}

#[test]
fn a_reset_in_the_middle_of_an_answer_is_a_truncation() {
    let handle = |mut stream: TcpStream| {
        read_request(&mut stream);
        write(
            &mut stream,
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell",
        );
        // What came before a reset can still be read after it.
        reset(stream);
    };
    check_server(handle, Truncated);
}

#[test]
fn no_answer_in_time_is_a_time_out_of_the_answer() {
    let handle = |mut stream: TcpStream| {
        // The second one returns when the client gives up.
        read_request(&mut stream);
        read_request(&mut stream);
    };
    let server = Server::start(handle);
    let load = one_shot(server.address).answer_timeout(Duration::from_millis(50));
    check_all_fail(load, TimedOut(Phase::Answer));
}

#[test]
fn half_an_answer_in_time_is_a_time_out_too() {
    let handle = |mut stream: TcpStream| {
        read_request(&mut stream);
        write(&mut stream, "HTTP/1.1 200 OK\r\n");
        read_request(&mut stream);
    };
    let server = Server::start(handle);
    let load = one_shot(server.address).answer_timeout(Duration::from_secs(2));
    let report = check_all_fail(load, TimedOut(Phase::Answer));
    assert!(report.examples[0].detail.contains("17 bytes"), "{report}");
}

#[test]
fn a_full_queue_is_a_time_out_of_connecting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(100)) {
        queued.push(stream);
        assert!(queued.len() < 100, "the queue is never full");
    }
    let load = one_shot(address).connect_timeout(Duration::from_millis(50));
    let report = check_all_fail(load, TimedOut(Phase::Connect));
    let waited = report.connections.longest_wait;
    assert!(waited >= Duration::from_millis(50), "{report}");
}

#[test]
fn an_answer_other_than_the_expected_one_is_bad() {
    let wrong = [
        "HTTP/1.1 503 Unavailable\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhallo",
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello more",
        "HTTP/1.1 200 OK\r\n\r\nhello",
        "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "nonsense",
    ];
    for wrong in wrong {
        let handle = move |mut stream: TcpStream| {
            read_request(&mut stream);
            write(&mut stream, wrong);
        };
        check_server(handle, BadAnswer);
    }
}

#[test]
fn a_reused_connection_that_ends_after_the_request_is_told_apart() {
    for with_reset in [true, false] {
        let handle = move |mut stream: TcpStream| {
            read_request(&mut stream);
            answer(&mut stream, "hello");
            read_request(&mut stream);
            if with_reset {
                reset(stream);
            }
        };
        let server = Server::start(handle);
        let report = run(one_shot(server.address).keep_alive().requests(6).clients(1));
        assert_eq!(report.ok, 3, "{report}");
        assert_eq!(report.failed_with(ResetOnReused), 3, "{report}");
        assert_eq!(report.connections.opened, 3, "{report}");
    }
}

#[test]
fn a_reused_connection_can_be_truncated_too() {
    let handle = |mut stream: TcpStream| {
        read_request(&mut stream);
        answer(&mut stream, "hello");
        read_request(&mut stream);
        write(&mut stream, "HTTP/1.1 200");
    };
    let server = Server::start(handle);
    let report = run(one_shot(server.address).keep_alive().requests(6).clients(1));
    assert_eq!(
        (report.ok, report.failed_with(Truncated)),
        (3, 3),
        "{report}"
    );
}

#[test]
fn a_connection_closed_while_idle_loses_nothing() {
    let handle = |mut stream: TcpStream| {
        read_request(&mut stream);
        write_and_end(&stream, &whole_answer("", "hello"));
    };
    let server = Server::start(handle);
    let report = run(one_shot(server.address)
        .keep_alive()
        .requests(20)
        .clients(2));
    report.assert_lossless();
    assert_eq!(report.connections.opened, 20, "{report}");
    assert_eq!(report.connections.closed_while_idle, 18, "{report}");
}

#[test]
fn connection_close_is_honoured_by_keep_alive_clients() {
    let asked_again = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked_again);
    let handle = move |mut stream: TcpStream| {
        read_request(&mut stream);
        write(&mut stream, &whole_answer("Connection: close\r\n", "hello"));
        if read_request(&mut stream) {
            seen.store(true, Ordering::SeqCst);
        }
    };
    let server = Server::start(handle);
    let report = run(one_shot(server.address).keep_alive().requests(6));
    report.assert_lossless();
    assert_eq!(report.connections.opened, 6, "{report}");
    assert!(!asked_again.load(Ordering::SeqCst));
}

#[test]
fn failures_are_never_retried() {
    let received = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&received);
    let handle = move |mut stream: TcpStream| {
        if read_request(&mut stream) {
            count.fetch_add(1, Ordering::SeqCst);
        }
    };
    check_server(handle, EndOfFile);
    assert_eq!(received.load(Ordering::SeqCst), REQUESTS);
}

#[test]
fn a_failure_does_not_stop_the_others() {
    let connections = AtomicU64::new(0);
    let handle = move |stream: TcpStream| match connections.fetch_add(1, Ordering::SeqCst) {
        7 => reset(stream),
        _ => answer_one(stream),
    };
    let server = Server::start(handle);
    let report = run(one_shot(server.address).requests(100));
    assert_eq!(
        (report.ok, report.failed_with(ResetBeforeAnyByte)),
        (99, 1),
        "{report}"
    );
    let text = report.to_string();
    assert!(
        text.contains("failed       1 × reset before any byte"),
        "{text}"
    );
}

const REQUESTS: u64 = 6;

fn one_shot(address: SocketAddr) -> Load {
    Load::new(address)
        .clients(3)
        .one_shot()
        .requests(REQUESTS)
        .expect_body("hello")
}

fn check_server(handle: impl Fn(TcpStream) + Send + Sync + 'static, kind: FailureKind) {
    let server = Server::start(handle);
    check_all_fail(one_shot(server.address), kind);
}

fn check_all_fail(load: Load, kind: FailureKind) -> Report {
    let report = run(load);
    assert_eq!(report.total, REQUESTS, "{report}");
    assert_eq!(report.failed_with(kind), REQUESTS, "{report}");
    assert_eq!(report.examples.len() as u64, REQUESTS, "{report}");
    report
}
