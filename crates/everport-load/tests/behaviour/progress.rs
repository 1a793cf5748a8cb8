//! A load runs beside its owner, says how far it is, and ends when it should.

use std::net::TcpStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use everport_load::Load;

use crate::server::{
    Server, answer_all, answer_one, read_request, refusing_address, whole_answer, write,
};
use crate::{check_sums, run};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn the_owner_can_wait_for_progress() {
    let server = Server::start(answer_one);
    let load = Load::new(server.address).start().unwrap();
    load.wait_for_completed(50, SOON).unwrap();
    let before = load.completed();
    assert!(before >= 50);
    load.wait_for_more(50, SOON).unwrap();
    assert!(load.completed() >= before + 50);
    assert!(load.report_so_far().ok >= 100);
    let report = load.stop();
    check_sums(&report);
    report.assert_lossless();
}

#[test]
fn waiting_ends_with_the_load() {
    let server = Server::start(answer_one);
    let load = Load::new(server.address).requests(5).start().unwrap();
    let missed = load.wait_for_completed(6, SOON).unwrap_err();
    assert_eq!(
        (missed.completed, missed.wanted, missed.ended),
        (5, 6, true)
    );
    assert!(missed.to_string().contains("5 of 6 requests"), "{missed}");
}

#[test]
fn waiting_has_a_limit() {
    let server = Server::start(|mut stream| {
        read_request(&mut stream);
        read_request(&mut stream);
    });
    let load = Load::new(server.address).start().unwrap();
    let missed = load
        .wait_for_completed(1, Duration::from_millis(50))
        .unwrap_err();
    assert_eq!((missed.completed, missed.ended), (0, false));
}

#[test]
fn stopping_lets_requests_on_their_way_finish() {
    let received = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&received);
    let server = Server::start(move |mut stream: TcpStream| {
        while read_request(&mut stream) {
            count.fetch_add(1, Ordering::SeqCst);
            thread::sleep(Duration::from_millis(50));
            write(&mut stream, &whole_answer("", "hello"));
        }
    });
    let load = Load::new(server.address)
        .clients(4)
        .keep_alive()
        .start()
        .unwrap();
    load.wait_for_completed(5, SOON).unwrap();
    let report = load.stop();
    report.assert_lossless();
    assert_eq!(report.total, received.load(Ordering::SeqCst), "{report}");
}

#[test]
fn stopping_does_not_wait_for_a_pause() {
    let server = Server::start(answer_all);
    let load = Load::new(server.address)
        .clients(2)
        .keep_alive()
        .pause_up_to(Duration::from_secs(3600));
    let load = load.start().unwrap();
    load.wait_for_completed(2, SOON).unwrap();
    let begin = Instant::now();
    load.stop().assert_lossless();
    assert!(begin.elapsed() < SOON);
}

#[test]
fn a_dropped_load_does_not_wait_for_answers() {
    let server = Server::start(|mut stream| {
        read_request(&mut stream);
        read_request(&mut stream);
    });
    let begin = Instant::now();
    let load = Load::new(server.address).timeout(Duration::from_secs(3600));
    drop(load.start().unwrap());
    assert!(begin.elapsed() < SOON);
}

#[test]
fn a_load_ends_after_its_duration() {
    let server = Server::start(answer_one);
    let duration = Duration::from_millis(100);
    for load in [
        Load::new(server.address),
        Load::new(server.address).rate(100),
    ] {
        let report = run(load.duration(duration));
        report.assert_lossless();
        assert!(report.elapsed < SOON, "{report}");
    }
}

#[test]
fn a_load_sends_exactly_as_many_requests_as_asked_for() {
    let server = Server::start(answer_all);
    let load = Load::new(server.address).clients(7).requests(100);
    for load in [load.clone(), load.clone().keep_alive(), load.rate(5000)] {
        let report = run(load);
        report.assert_lossless();
        assert_eq!((report.total, report.unsent), (100, 0), "{report}");
    }
}

#[test]
fn a_lost_request_fails_the_assertion_with_the_whole_report() {
    let report = run(Load::new(refusing_address()).requests(3));
    let message = *panic::catch_unwind(AssertUnwindSafe(|| report.assert_lossless()))
        .unwrap_err()
        .downcast::<String>()
        .unwrap();
    assert!(message.contains(&report.to_string()), "{message}");
    assert!(message.contains("failed       3 × refused"), "{message}");
}

#[test]
fn a_panic_in_a_callback_reaches_the_owner() {
    let server = Server::start(answer_one);
    let load = Load::new(server.address).identify(|_| panic!("wrong callback"));
    let load = load.start().unwrap();
    let payload = panic::catch_unwind(AssertUnwindSafe(|| load.wait())).unwrap_err();
    assert_eq!(payload.downcast_ref::<&str>(), Some(&"wrong callback"));
}
