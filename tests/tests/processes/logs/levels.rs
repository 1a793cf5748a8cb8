//! Which records are wanted, and that this can be changed while workers run.

use std::os::unix::net::UnixStream;
use std::time::Instant;

use everport::log::Level::{self, Debug, Error, Info, Trace, Warn};
use everport_tests::{Cluster, Exit, Kind, PATIENCE, for_each_kind, get_unix, program};
use rustix::process::{Pid, Signal, kill_process};

use super::scene::{Scene, State};

for_each_kind!(
    what_the_watcher_does_not_want_is_not_handed_over,
    a_level_that_is_asked_for_holds_for_old_and_new_workers,
);

/// The levels of the records that came of `/log-levels` since a position, through `tracing` and through `log`. What the
/// server logs beneath them is none of them.
fn levels(state: &State, position: usize) -> Vec<Level> {
    let later = state.records[position..].iter();
    let ours = later.filter(|record| record.target == "everport_tests::worker::log");
    ours.map(|record| record.level).collect()
}

/// Asks for records of every level, and checks which of them come.
#[track_caller]
fn check(scene: &Scene, expected: &[Level]) {
    let position = scene.told.lock().records.len();
    scene.get("/log-levels");
    catch_up(scene);
    assert_eq!(levels(&scene.told.lock(), position), expected);
}

/// Waits until everything that was logged so far has come: a numbered record is logged after it.
fn catch_up(scene: &Scene) {
    let count = |state: &State| state.numbers.values().map(Vec::len).sum::<usize>();
    let before = count(&scene.told.lock());
    scene.get("/log?records=1&wait=1");
    scene.told.wait_until("the newest record", |state| {
        (count(state) > before).then_some(())
    });
}

fn what_the_watcher_does_not_want_is_not_handed_over(kind: Kind) {
    let scene = Scene::of(kind, "", |builder| builder);
    check(&scene, &[Error, Warn, Info, Warn]);
}

#[test]
fn a_stopped_worker_learns_the_newest_of_many_levels_when_it_runs_again() {
    let scene = Scene::new("", |builder| builder);
    let pid = Pid::from_raw(scene.told.lock().pids[&1] as i32).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    let is_told = |what| {
        let until = Instant::now() + PATIENCE;
        let is_told = || {
            let state = scene.told.lock();
            state.notices.iter().any(|notice| notice.contains(what))
        };
        while !is_told() {
            assert!(Instant::now() < until, "not {what}");
            scene.handle.children_changed();
        }
    };
    is_told("stopped by a signal");
    // More than a link holds. Each is waited for: those that are set at once are one.
    for times in 1..=1000 {
        scene.handle.set_log_level([Trace, Error][times % 2]);
        scene.told.wait_until("the level", |state| {
            let set = state.notices.iter().filter(|it| it.contains("from level"));
            (set.count() == times).then_some(())
        });
    }
    kill_process(pid, Signal::CONT).unwrap();
    is_told("runs again");
    wait_for_level(&scene, Trace);
    assert_eq!(scene.get("/").worker(), 1);
    let told = scene.stop();
    let state = told.lock();
    assert!(!state.notices.iter().any(|notice| notice.contains("link")));
}

fn a_level_that_is_asked_for_holds_for_old_and_new_workers(kind: Kind) {
    let scene = Scene::of(kind, "", |builder| builder);
    scene.handle.set_log_level(Trace);
    wait_for_level(&scene, Trace);
    check(&scene, &[Error, Warn, Info, Debug, Trace, Warn, Debug]);
    scene.handle.restart();
    scene.told.wait_for("worker 1 (slot 0) ended");
    check(&scene, &[Error, Warn, Info, Debug, Trace, Warn, Debug]);
}

/// The wish is on its way to the worker: asks until records of this level come.
fn wait_for_level(scene: &Scene, level: Level) {
    for _ in 0..10_000 {
        scene.get("/log-levels");
        catch_up(scene);
        let state = scene.told.lock();
        if levels(&state, 0).contains(&level) {
            return;
        }
    }
    panic!("no record of the level {level}");
}

#[test]
fn rust_log_counts_until_the_watcher_is_told_otherwise() {
    let scene = Scene::new("", |builder| builder.env("RUST_LOG", "error,numbered=info"));
    check(&scene, &[Error]);
    scene.handle.set_log_level(Debug);
    wait_for_level(&scene, Debug);
    check(&scene, &[Error, Warn, Info, Debug, Warn, Debug]);
}

#[test]
fn the_level_follows_the_configuration_file_on_hup() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("everport.toml");
    let socket = directory.path().join("socket");
    std::fs::write(&file, "log-level = \"warn\"\nworkers = 1\n").unwrap();
    let mut command = Cluster::command(["--log-format", "plain", "--config"]);
    command.arg(&file).arg("--").arg(program("test-worker"));
    command.arg("--logging").arg("--unix").arg(&socket);
    let cluster = Cluster::spawn(command);
    let deadline = Instant::now() + PATIENCE;
    while UnixStream::connect(&socket).is_err() {
        assert!(Instant::now() < deadline, "nobody listens");
        std::thread::yield_now();
    }
    assert_eq!(get_unix(&socket, "/log-levels").body, "logged");
    cluster.log().wait_for("as a warning");
    assert_eq!(cluster.log().matching("as an information"), [""; 0]);
    std::fs::write(&file, "log-level = \"debug\"\nworkers = 1\n").unwrap();
    cluster.signal(Signal::HUP);
    // The wish is on its way to the worker.
    while cluster.log().matching("as a detail (").is_empty() {
        assert!(Instant::now() < deadline, "no record of the new level");
        assert_eq!(get_unix(&socket, "/log-levels").body, "logged");
    }
    assert_eq!(cluster.log().matching("as a trace"), [""; 0]);
    assert_eq!(cluster.stop(), Exit::Code(0));
}
