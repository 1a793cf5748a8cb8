//! `--watch`: changed files bring a rolling restart.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

#[cfg(target_os = "linux")]
use everport_tests::unless_spoilt;
use everport_tests::{Cluster, Exit, get, program};

/// A directory with a file, and a cluster that watches it.
struct Scene {
    directory: tempfile::TempDir,
    cluster: Cluster,
}

impl Scene {
    fn new(options: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("src")).unwrap();
        let watched = directory.path().join("src");
        let options = format!("--watch {} {options}", watched.display());
        let cluster = Cluster::ready(&options, "--listen 127.0.0.1:0");
        Self { directory, cluster }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("src").join(name)
    }

    fn write(&self, name: &str) {
        fs::write(self.path(name), name).unwrap();
    }

    /// Waits until the change was answered by the restart with this number, and by no other.
    #[track_caller]
    fn check(&self, restart: usize, name: &str, others: usize) {
        let more = match others {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        let path = self.path(name).display().to_string();
        let path = path.trim_end_matches('/');
        let expected = format!("restart: {path} has changed{more}");
        let log = self.cluster.log();
        log.wait_for_many(restart, "restart: ");
        log.wait_for(&format!("rollout to generation {} finished", restart + 1));
        let told = log.matching("restart: ");
        assert_eq!(told.len(), restart, "{told:#?}");
        assert!(told[restart - 1].ends_with(&expected), "{told:#?}");
    }
}

#[test]
fn a_burst_of_changes_is_one_restart() {
    let scene = Scene::new("-w 2 --settle 0");
    // As long as one of them is open, it is one burst, however slow this machine is.
    let mut first = File::create(scene.path("b.rs")).unwrap();
    first.write_all(b"fn main() {}").unwrap();
    for name in ["a.rs", "c.rs", "a.rs"] {
        scene.write(name);
    }
    drop(first);
    scene.check(1, "b.rs", 2);
    scene.write("a.rs");
    scene.check(2, "a.rs", 0);
    assert_eq!(scene.cluster.stop(), Exit::Code(0));
}

#[test]
fn files_that_are_new_moved_there_or_removed_count_in_every_directory() {
    let scene = Scene::new("-w 1 --settle 0");
    fs::create_dir(scene.path("deep")).unwrap();
    scene.check(1, "deep", 0);
    fs::create_dir(scene.path("deep/er")).unwrap();
    scene.check(2, "deep/er", 0);
    scene.write("deep/er/new.rs");
    scene.check(3, "deep/er/new.rs", 0);
    // As editors save: the copy that comes and goes does not count.
    let copy = scene.path("deep/er/copy.tmp");
    let mut open = File::create(&copy).unwrap();
    open.write_all(b"fn main() {}").unwrap();
    fs::rename(&copy, scene.path("deep/er/new.rs")).unwrap();
    drop(open);
    scene.check(4, "deep/er/new.rs", 0);
    fs::remove_file(scene.path("deep/er/new.rs")).unwrap();
    scene.check(5, "deep/er/new.rs", 0);
}

#[test]
fn who_only_reads_and_what_editors_leave_restart_nothing() {
    let scene = Scene::new("-w 1 --settle 0");
    scene.write("main.rs");
    scene.check(1, "main.rs", 0);
    assert_eq!(
        fs::read_to_string(scene.path("main.rs")).unwrap(),
        "main.rs"
    );
    for name in [".main.rs.swp", "main.rs~", "4913"] {
        scene.write(name);
    }
    scene.write("other.rs");
    scene.check(2, "other.rs", 0);
}

#[test]
fn a_single_file_counts_and_its_neighbours_do_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("server.conf");
    fs::write(&file, "1").unwrap();
    let options = format!("-w 1 --settle 0 --watch {}", file.display());
    let cluster = Cluster::ready(&options, "--listen 127.0.0.1:0");
    fs::write(directory.path().join("neighbour"), "").unwrap();
    for restart in 1..=2 {
        // It is replaced, so it is another file each time.
        let new = directory.path().join("new");
        fs::write(&new, "2").unwrap();
        fs::rename(&new, &file).unwrap();
        cluster.log().wait_for_many(restart, "restart: ");
    }
    for told in cluster.log().matching("restart: ") {
        let expected = format!("restart: {} has changed", file.display());
        assert!(told.ends_with(&expected), "{told}");
    }
}

#[test]
fn a_directory_that_is_exchanged_is_watched_on() {
    let scene = Scene::new("-w 1 --settle 0");
    let top = scene.directory.path();
    fs::rename(top.join("src"), top.join("old")).unwrap();
    scene.check(1, "", 0);
    let told = scene.cluster.log().wait_for("may have been missed");
    assert!(told.contains("cannot watch"), "{told}");
    fs::create_dir(top.join("new")).unwrap();
    fs::write(top.join("new/main.rs"), "fn main() {}").unwrap();
    fs::rename(top.join("new"), top.join("src")).unwrap();
    // It is found after a while, with what is in it by then.
    scene.cluster.log().wait_for_many(2, "restart: ");
    scene
        .cluster
        .log()
        .wait_for("rollout to generation 3 finished");
    let position = scene.cluster.log().position();
    scene.write("later.rs");
    let told = scene.cluster.log().wait_after(position, "restart: ");
    assert!(told.contains("later.rs"), "{told}");
    let position = scene.cluster.log().position();
    fs::write(top.join("old/main.rs"), "not watched any more").unwrap();
    scene.write("last.rs");
    let told = scene.cluster.log().wait_after(position, "restart: ");
    assert!(told.ends_with("last.rs has changed"), "{told}");
}

#[test]
fn a_file_that_is_being_written_is_waited_for() {
    let scene = Scene::new("-w 1 --settle 1");
    let mut half = File::create(scene.path("server")).unwrap();
    half.write_all(b"first half").unwrap();
    scene.write("other");
    // This takes longer than the settle time, and a restart because of `other` would have been asked for meanwhile.
    scene.cluster.restart();
    assert_eq!(scene.cluster.log().matching("restart: "), [""; 0]);
    drop(half);
    let told = scene.cluster.log().wait_for("restart: ");
    assert!(told.ends_with("server has changed (and 1 more)"), "{told}");
}

#[test]
fn a_file_that_stays_open_delays_no_restart() {
    let scene = Scene::new("-w 1 --settle 0");
    scene.write("database");
    scene.check(1, "database", 0);
    let mut open = File::options()
        .append(true)
        .open(scene.path("database"))
        .unwrap();
    open.write_all(b"more").unwrap();
    scene.write("main.rs");
    // That it is alone shows that it was not waited for the other.
    scene.check(2, "main.rs", 0);
    drop(open);
    scene.check(3, "database", 0);
}

#[test]
fn a_release_that_does_not_come_up_leaves_the_old_workers_serving() {
    let directory = tempfile::tempdir().unwrap();
    let release = directory.path().join("release");
    fs::write(&release, "v1").unwrap();
    let release = release.display();
    let options = format!("-w 2 --settle 0.1 --watch {release}");
    let arguments = format!("--listen 127.0.0.1:0 --release {release}");
    let cluster = Cluster::ready(&options, &arguments);
    let served = || {
        get(cluster.address(), "/")
            .header("x-release")
            .map(str::to_owned)
    };
    fs::write(directory.path().join("release"), "v2 crashes-at-boot").unwrap();
    cluster.log().wait_for("aborted");
    assert_eq!(served().as_deref(), Some("v1"));
    fs::write(directory.path().join("release"), "v3").unwrap();
    cluster.log().wait_for("rollout to generation 3 finished");
    // The last of the old ones may take one more before it hears that it drains.
    for worker in [1, 2] {
        let ended = format!("worker {worker} (slot {}) ended", worker - 1);
        cluster.log().wait_for(&ended);
    }
    assert_eq!(served().as_deref(), Some("v3"));
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn what_the_cluster_writes_itself_restarts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut command = Cluster::command(["-w", "1", "--settle", "0", "--watch"]);
    command.arg(directory.path());
    command
        .arg("-p")
        .arg(path("pid"))
        .arg("-f")
        .arg(path("log"));
    command.arg("--").arg(program("test-worker"));
    // A Unix socket in the watched directory is none of its changes either.
    command.arg("--unix").arg(path("socket"));
    check_that_writing_restarts_nothing(Cluster::spawn(command), directory.path());
}

#[test]
fn what_the_cluster_writes_behind_a_symbolic_link_restarts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("shared")).unwrap();
    fs::create_dir(path("app")).unwrap();
    std::os::unix::fs::symlink("../shared", path("app/logs")).unwrap();
    let mut command =
        Cluster::command("-w 1 --settle 0 --watch . -p logs/pid -f logs/log".split(' '));
    command.current_dir(path("app"));
    command.arg("--").arg(program("test-worker"));
    command.args(["--listen", "127.0.0.1:0"]);
    check_that_writing_restarts_nothing(Cluster::spawn(command), &path("app/logs"));
}

#[test]
fn a_socket_that_goes_restarts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let mut command = Cluster::command(["-w", "1", "--settle", "0", "--watch"]);
    command
        .arg(directory.path())
        .arg("--")
        .arg(program("test-worker"));
    command.arg("--unix").arg(path("socket"));
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    // As the cluster does when no worker wants the port any more.
    fs::remove_file(path("socket")).unwrap();
    fs::write(path("main.rs"), "").unwrap();
    let told = cluster.log().wait_for("restart: ");
    assert!(told.ends_with("main.rs has changed"), "{told}");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn what_changes_once_the_stop_has_begun_is_no_reason_for_a_restart() {
    // The drain delay is several times as long as a burst; a restart would be told within it.
    let scene = Scene::new("-w 1 --settle 0 --drain-delay 2");
    scene.cluster.signal(rustix::process::Signal::TERM);
    scene.cluster.log().wait_for("leaving: ");
    scene.write("main.rs");
    scene
        .cluster
        .log()
        .wait_for("stopping: every worker drains");
    assert_eq!(scene.cluster.log().matching("restart: "), [""; 0]);
}

#[test]
fn a_log_that_the_shell_redirects_to_a_watched_directory_restarts_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let (everport, worker) = (program("everport"), program("test-worker"));
    let run = format!(
        "exec {} run -w 1 --settle 0 --watch {} -- {} --listen 127.0.0.1:0 > {}",
        everport.display(),
        directory.path().display(),
        worker.display(),
        log.display()
    );
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &run]);
    check_that_writing_restarts_nothing(Cluster::spawn(command), directory.path());
}

/// Changes files in the directory, to which the log goes, and counts the restarts that come of it.
#[track_caller]
fn check_that_writing_restarts_nothing(cluster: Cluster, directory: &Path) {
    let log = directory.join("log");
    let wait_for = |text: &str| {
        let deadline = std::time::Instant::now() + everport_tests::PATIENCE;
        loop {
            let told = fs::read_to_string(&log).unwrap_or_default();
            if told.contains(text) {
                break;
            }
            let is_in_time = std::time::Instant::now() < deadline;
            assert!(is_in_time, "no {text:?} in the log:\n{told}");
            std::thread::yield_now();
        }
    };
    wait_for("the cluster is ready");
    for change in 1..=3 {
        let name = format!("change-{change}");
        fs::write(directory.join(&name), "").unwrap();
        wait_for(&format!("{name} has changed"));
        wait_for(&format!("rollout to generation {} finished", change + 1));
    }
    let restarts = fs::read_to_string(&log)
        .unwrap()
        .matches("restart: ")
        .count();
    assert_eq!(restarts, 3);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[cfg(target_os = "linux")]
#[test]
fn where_nothing_changes_nobody_wakes_up() {
    unless_spoilt(serve_without_a_change);
}

/// An error when somebody woke up: late, if it does not happen again.
#[cfg(target_os = "linux")]
fn serve_without_a_change() -> Result<(), String> {
    let scene = Scene::new("-w 1 --settle 0");
    scene.write("main.rs");
    scene.check(1, "main.rs", 0);
    // By the end of one more it has gone back to sleep. A restart brings signals, which may come to any thread.
    scene.cluster.restart();
    let before = wake_ups_of_the_watching_thread(scene.cluster.pid());
    for _ in 0..500 {
        assert_eq!(get(scene.cluster.address(), "/").body, "Hello, World!");
    }
    let after = wake_ups_of_the_watching_thread(scene.cluster.pid());
    match after == before {
        true => Ok(()),
        false => Err(format!("{before} wake-ups before, {after} after")),
    }
}

/// How often the thread that hears of changes has waited.
fn wake_ups_of_the_watching_thread(pid: u32) -> u64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let statuses = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("status")));
    // A thread that has just ended has none.
    let status = statuses
        .filter_map(Result::ok)
        .find(|status| status.starts_with("Name:\tnotify"))
        .expect("a thread that watches");
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.unwrap().trim().parse().unwrap()
}

#[test]
fn workers_inherit_nothing_of_it() {
    let plain = Cluster::ready("-w 1", "--listen 127.0.0.1:0");
    let watching = Scene::new("-w 1 --settle 0");
    let count = |cluster: &Cluster| get(cluster.address(), "/descriptors").body.lines().count();
    assert_eq!(count(&watching.cluster), count(&plain));
}
