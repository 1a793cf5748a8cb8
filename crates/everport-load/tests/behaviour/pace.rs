//! A constant rate: no stall is hidden.

use std::net::TcpStream;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use everport_load::Load;

use crate::run;
use crate::server::{Server, answer, answer_one, read_request};

const STALL: Duration = Duration::from_millis(300);

#[test]
fn a_stall_shows_in_every_request_it_delayed() {
    let answered = Mutex::new(0);
    let handle = move |mut stream: TcpStream| {
        while read_request(&mut stream) {
            let mut answered = answered.lock().unwrap();
            *answered += 1;
            if *answered == 100 {
                thread::sleep(STALL);
            }
            answer(&mut stream, "hello");
        }
    };
    let server = Server::start(handle);
    let load = Load::new(server.address).clients(4).keep_alive();
    let report = run(load.rate(1000).requests(1000));
    report.assert_lossless();
    assert_eq!(report.total, 1000, "{report}");
    // 300 requests were due during the stall, of which only 4 could be on their way. 200 of them were late
    // by more than 100 ms; a generator that waits for the server would have seen 4.
    let late = report.latency.count_above(STALL / 3);
    assert!(late >= 190, "only {late} requests saw the stall\n{report}");
    assert!(report.latency.max() >= STALL, "{report}");
    let worst = report.series.iter().map(|bucket| bucket.max_latency).max();
    assert_eq!(worst, Some(report.latency.max()), "{report}");
}

#[test]
fn a_stall_can_be_seen_request_by_request() {
    let answered = Mutex::new(0);
    let server = Server::start(move |mut stream: TcpStream| {
        read_request(&mut stream);
        let mut answered = answered.lock().unwrap();
        *answered += 1;
        match *answered {
            100 => thread::sleep(STALL),
            // Closed without an answer.
            300 => return,
            _ => {}
        }
        answer(&mut stream, "hello");
    });
    let load = Load::new(server.address).clients(4).one_shot().rate(1000);
    let report = run(load.clone().requests(400).traces(1_000_000));
    assert_eq!(report.traces.len(), 400, "{report}");
    assert_eq!(report.traces.iter().filter(|trace| trace.failed).count(), 1);
    let slowest = report.traces.iter().map(|trace| trace.latency).max();
    assert!(
        slowest >= Some(report.latency.max()),
        "{slowest:?}\n{report}"
    );
    // Each is there with its own place in the schedule, however late it was.
    let mut starts: Vec<_> = report.traces.iter().map(|trace| trace.intended).collect();
    starts.sort();
    let scheduled = (0..400).map(Duration::from_millis).collect::<Vec<_>>();
    assert_eq!(starts, scheduled, "{report}");

    let report = run(load.requests(50).traces(20));
    assert_eq!((report.traces.len(), report.total), (20, 50), "{report}");
}

#[test]
fn requests_start_when_they_are_due_and_not_before() {
    let server = Server::start(answer_one);
    let load = Load::new(server.address).clients(4).one_shot();
    let report = run(load.rate(500).requests(100));
    report.assert_lossless();
    // The last of them is due after 99 intervals of 2 ms.
    assert!(report.elapsed >= Duration::from_millis(198), "{report}");
}

#[test]
fn requests_that_no_client_was_free_for_are_counted_as_unsent() {
    let handle = |mut stream: TcpStream| {
        read_request(&mut stream);
        // It returns when the client gives up.
        read_request(&mut stream);
    };
    let server = Server::start(handle);
    let load = Load::new(server.address)
        .clients(1)
        .rate(100)
        .duration(Duration::from_secs(2))
        .answer_timeout(Duration::from_secs(5));
    let report = run(load);
    assert_eq!((report.total, report.ok), (1, 0), "{report}");
    assert!(report.unsent >= 190, "{report}");
}
