//! Panics are records, with their backtrace.

use std::io::{Read, Write};

use everport::log::Level;
use everport_tests::{Kind, for_each_kind};

use super::scene::Scene;

for_each_kind!(
    a_panic_in_a_task_is_a_record_of_its_worker_and_ends_nobody,
    a_panic_is_one_record_with_its_place_its_thread_and_its_backtrace,
);

fn a_panic_is_one_record_with_its_place_its_thread_and_its_backtrace(kind: Kind) {
    let scene = Scene::of(kind, "", |builder| match kind {
        Kind::Processes => builder.env("RUST_BACKTRACE", "1"),
        Kind::Threads => builder, // it is this program's environment that counts
    });
    assert_eq!(scene.get("/panic?text=oh%20no").body, "panicked");
    let record = scene.told.wait_for_record("oh no");
    assert_eq!(record.level, Level::Error);
    assert_eq!(record.target, "panic");
    assert_eq!(record.thread, "panicking");
    assert!(record.fields["location"].contains("log.rs"), "{record:?}");
    let backtrace = &record.fields["backtrace"];
    let first = backtrace.lines().next().unwrap_or_default();
    assert!(first.contains("everport_tests::worker::log"), "{backtrace}");
    assert!(
        !backtrace.contains("__rust_begin_short_backtrace"),
        "{backtrace}"
    );
    // It is told once: not on standard error, too.
    let told = scene.stop();
    assert_eq!(told.lock().lines, [""; 0]);
}

fn a_panic_in_a_task_is_a_record_of_its_worker_and_ends_nobody(kind: Kind) {
    let scene = Scene::of(kind, "", |builder| builder.workers(2));
    for path in ["/panic-in-task?text=", "/panic-in-task?blocking=1&text="] {
        for number in 0..10 {
            let text = format!("{}{number}", path.len());
            let answer = scene.get(&format!("{path}{text}"));
            assert_eq!(answer.body, "panicked");
            let record = scene.told.wait_for_record(&text);
            assert_eq!((record.worker, &*record.target), (answer.worker(), "panic"));
        }
    }
    let told = scene.stop();
    assert_eq!(told.lock().pids.len(), 2);
}

#[test]
fn a_panic_that_unwinds_a_thread_is_a_record_and_told_as_its_end() {
    let scene = Scene::of(Kind::Threads, "", |builder| builder);
    std::thread::scope(|scope| {
        let path = scene.file("socket");
        // It is never answered: the worker ends before that.
        scope.spawn(move || {
            let mut connection = std::os::unix::net::UnixStream::connect(path).unwrap();
            connection
                .write_all(b"GET /crash HTTP/1.1\r\nHost: x\r\n\r\n")
                .unwrap();
            let _closed = connection.read_to_end(&mut Vec::new());
        });
    });
    let record = scene.told.wait_for_record("this worker was asked to crash");
    assert_eq!((record.worker, &*record.target), (1, "panic"));
    assert!(record.thread.ends_with("worker-1"), "{record:?}");
    let backtrace = &record.fields["backtrace"];
    let first = backtrace.lines().next().unwrap_or_default();
    assert!(first.contains("worker/mod.rs:"), "{backtrace}");
    let died = scene.told.wait_for("worker 1 (slot 0) died: panicked at ");
    assert!(died.contains("worker/mod.rs:"), "{died}");
    assert!(
        died.contains(": this worker was asked to crash\n"),
        "{died}"
    );
    // The record tells the way to it, and nothing else does once more.
    assert_eq!(died.matches(first).count(), 1, "{died}");
    scene.told.wait_for("worker 2 (slot 0) is ready");
    // Its successor has a log of its own.
    assert_eq!(scene.get("/panic-in-task?text=again").worker(), 2);
    assert_eq!(scene.told.wait_for_record("again").worker, 2);
    scene.stop();
}

#[test]
fn the_environment_says_whether_a_panic_has_a_backtrace() {
    let scene = Scene::new("", |builder| builder.env("RUST_BACKTRACE", "0"));
    scene.get("/panic?text=oh%20no");
    let record = scene.told.wait_for_record("oh no");
    assert!(!record.fields.contains_key("backtrace"), "{record:?}");
    scene.stop();
}

#[test]
fn the_panic_that_ends_a_worker_is_told_before_its_death() {
    let scene = Scene::new("", |builder| builder);
    scene.get("/panic?text=the%20last%20words");
    scene.get("/log?records=1&then=abort");
    scene
        .told
        .wait_for("worker 1 (slot 0) died: killed by SIGABRT");
    let state = scene.told.lock();
    assert!(
        state
            .records
            .iter()
            .any(|record| record.message == "the last words")
    );
    let death = state
        .notices
        .iter()
        .find(|notice| notice.contains("SIGABRT"));
    assert!(death.unwrap().contains("\n| the last words location="));
}
