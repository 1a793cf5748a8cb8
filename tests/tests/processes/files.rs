//! Where the command writes, where its workers run, and what it is called.

use std::fs;

use everport_tests::{Cluster, Exit, Kind, for_each_kind};

for_each_kind!(
    the_log_goes_to_a_file_with_the_watchers_pid_in_its_name,
    details_are_logged_at_debug_only,
);

fn the_log_goes_to_a_file_with_the_watchers_pid_in_its_name(kind: Kind) {
    let directory = tempfile::tempdir().unwrap();
    let options = format!("-w 1 --log-file {}/log.*", directory.path().display());
    let cluster = kind.start(&options, "--listen 127.0.0.1:0");
    let file = directory.path().join(format!("log.{}", cluster.pid()));
    let deadline = std::time::Instant::now() + everport_tests::PATIENCE;
    while !fs::read_to_string(&file).is_ok_and(|text| text.contains("the cluster is ready")) {
        assert!(
            std::time::Instant::now() < deadline,
            "{} does not fill",
            file.display()
        );
        std::thread::yield_now();
    }
    let log = cluster.log().clone();
    assert_eq!(cluster.stop(), Exit::Code(0));
    // What threads print is not the log's.
    assert_eq!(log.matching(" watcher  "), [""; 0]);
    assert_eq!(log.lines().is_empty(), kind == Kind::Processes);
    assert!(fs::read_to_string(&file).unwrap().contains(kind.ended()));
}

#[test]
fn workers_run_in_the_directory_asked_for_and_the_program_is_found_from_ours() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("here"), "").unwrap();
    let mut command = Cluster::command(["-w", "1", "--chdir"]);
    command
        .arg(directory.path())
        .args(["--", "sh", "-c", "ls; exec sleep 60"]);
    let cluster = Cluster::spawn(command);
    cluster.log().wait_for("0.1 out  here");
}

#[test]
fn the_watcher_is_called_as_asked_and_its_workers_keep_their_names() {
    let cluster = Cluster::ready("-w 1 --name shop", "--listen 127.0.0.1:0");
    let name = |pid: u32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    cluster.log().wait_for("INFO  shop");
    assert_eq!(name(cluster.pid()), "shop\n");
}

#[test]
fn dev_stdout_is_a_log_file_like_no_log_file() {
    let cluster = Cluster::ready("-w 1 --log-file /dev/stdout", "--listen 127.0.0.1:0");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

fn details_are_logged_at_debug_only(kind: Kind) {
    let detailed = kind.ready("-w 1 --log-level debug", "--listen 127.0.0.1:0");
    detailed
        .log()
        .wait_for("DEBUG watcher  worker 1 (slot 0) joined: everport");
    let ordinary = kind.ready("-w 1", "--listen 127.0.0.1:0");
    assert_eq!(ordinary.log().matching("joined: "), [""; 0]);
}
