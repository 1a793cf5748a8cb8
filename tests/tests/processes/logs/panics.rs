//! Panics are records, with their backtrace.

use everport::log::Level;

use super::scene::Scene;

#[test]
fn a_panic_is_one_record_with_its_place_its_thread_and_its_backtrace() {
    let scene = Scene::new("", |builder| builder.env("RUST_BACKTRACE", "1"));
    assert_eq!(scene.get("/panic?text=oh%20no").body, "panicked");
    let record = scene.told.wait_for_record("oh no");
    assert_eq!(record.level, Level::Error);
    assert_eq!(record.target, "panic");
    assert_eq!(record.thread, "panicking");
    assert!(record.fields["location"].contains("log.rs"), "{record:?}");
    let backtrace = &record.fields["backtrace"];
    let first = backtrace.lines().next().unwrap_or_default();
    assert!(first.contains("test_worker::log"), "{backtrace}");
    assert!(
        !backtrace.contains("__rust_begin_short_backtrace"),
        "{backtrace}"
    );
    // It is told once: not on standard error, too.
    let told = scene.stop();
    assert_eq!(told.lock().lines, [""; 0]);
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
