//! Workers that run as another user. Only root can show that.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod containers;

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use everport::Watcher;
use everport::watcher::{Credentials, ExitReason, Program};
use everport_tests::{
    Cluster, Exit, NOBODY, Told, get, is_alive, needs_root, program, program_for_everybody,
    take_turn,
};
use rustix::process::Signal;

/// `everport run <options> -- test-worker <arguments>` with a worker that every user can execute.
fn command(directory: &Path, options: &str, arguments: &str) -> Command {
    let worker = program_for_everybody("test-worker", directory);
    let mut command = Cluster::command(options.split_whitespace());
    command
        .arg("--")
        .arg(worker)
        .args(arguments.split_whitespace());
    command
}

fn ready(directory: &Path, options: &str, arguments: &str) -> Cluster {
    let cluster = Cluster::spawn(command(directory, options, arguments));
    cluster.wait_until_ready();
    cluster
}

/// What `id` prints.
fn id(arguments: &[&str]) -> String {
    let output = Command::new("id").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The words of a line of a process's status.
fn words(status: &str, name: &str) -> Vec<String> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.unwrap()
        .split_whitespace()
        .map(str::to_owned)
        .collect()
}

#[test]
fn workers_are_who_was_asked_for_without_a_way_back() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let cluster = ready(
        directory.path(),
        "-w 1 --user nobody",
        "--listen 127.0.0.1:0",
    );
    let status = get(cluster.address(), "/status").body;
    // Real, effective, saved, and that for files.
    assert_eq!(words(&status, "Uid:"), [""; 4].map(|_| id(&["-u", NOBODY])));
    assert_eq!(words(&status, "Gid:"), [""; 4].map(|_| id(&["-g", NOBODY])));
    let groups = id(&["-G", NOBODY]);
    assert_eq!(words(&status, "Groups:").join(" "), groups);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(words(&status, set), ["0000000000000000"], "{set}");
    }
    assert_eq!(words(&status, "NoNewPrivs:"), ["1"]);
    // Its successors are the same.
    cluster.restart();
    let status = get(cluster.address(), "/status").body;
    assert_eq!(words(&status, "Uid:")[0], id(&["-u", NOBODY]));
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_group_takes_the_place_of_the_users_own() {
    needs_root();
    let group = |options: &str| {
        let directory = tempfile::tempdir().unwrap();
        let cluster = ready(directory.path(), options, "--listen 127.0.0.1:0");
        let status = get(cluster.address(), "/status").body;
        let of = |name| words(&status, name);
        (of("Uid:")[0].clone(), of("Gid:")[0].clone(), of("Groups:"))
    };
    let (uid, gid, groups) = group("-w 1 --user nobody --group 4711");
    assert_eq!((uid, gid.as_str()), (id(&["-u", NOBODY]), "4711"));
    assert!(groups.contains(&gid), "{groups:?}");
    let (uid, gid, groups) = group("-w 1 --group 4711");
    assert_eq!((uid.as_str(), gid.as_str()), ("0", "4711"));
    assert!(groups.contains(&gid), "{groups:?}");
    // A number needs no entry.
    let (uid, gid, groups) = group("-w 1 --user 4710 --group 4711");
    assert_eq!((uid.as_str(), gid.as_str()), ("4710", "4711"));
    assert_eq!(groups, ["4711"]);
}

#[test]
fn workers_have_all_groups_of_their_user() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let groups = directory.path().join("group");
    let known = fs::read_to_string("/etc/group").unwrap();
    fs::write(
        &groups,
        format!("{known}first:x:4712:{NOBODY}\nsecond:x:4713:daemon,{NOBODY}\n"),
    )
    .unwrap();
    // Seen by this cluster alone, in a mount namespace of its own.
    let script = "mount --bind \"$0\" /etc/group && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(&groups);
    command
        .arg(program("everport"))
        .args(["run", "-w", "1", "--user", NOBODY]);
    command.args(["--", "sh", "-c", "echo groups $(id -G); exec sleep 60"]);
    let cluster = Cluster::spawn(command);
    let line = cluster.log().wait_for("out  groups ");
    let (_, groups) = line.split_once("groups ").unwrap();
    let groups: Vec<&str> = groups.split(' ').collect();
    assert!(
        groups.contains(&"4712") && groups.contains(&"4713"),
        "{line}"
    );
    assert!(!groups.contains(&"0"), "{line}");
}

#[test]
fn a_worker_serves_on_a_port_that_only_root_could_bind() {
    needs_root();
    let _turn = take_turn();
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    let port = (600..1024).find(is_free).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let arguments = format!("--listen 127.0.0.1:{port}");
    let cluster = ready(
        directory.path(),
        "-w 2 --user nobody --settle 0",
        &arguments,
    );
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    cluster.restart();
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    assert_eq!(cluster.address().port(), port);
}

#[test]
fn a_worker_can_open_what_it_prints_to_by_name_and_not_the_watchers_files() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let options = format!("-w 1 --user nobody --log-file {}", log.display());
    let cluster = Cluster::spawn(command(directory.path(), &options, "--listen 127.0.0.1:0"));
    let logged = |text: &str| fs::read_to_string(&log).is_ok_and(|lines| lines.contains(text));
    let wait_for = |text: &str| {
        let deadline = std::time::Instant::now() + everport_tests::PATIENCE;
        while !logged(text) {
            assert!(std::time::Instant::now() < deadline, "not logged: {text}");
            std::thread::yield_now();
        }
    };
    wait_for("the cluster is ready");
    let lines = fs::read_to_string(&log).unwrap();
    let address = lines
        .lines()
        .find_map(|line| line.split_once("watcher  listening on "));
    let address = address.unwrap().1.split_whitespace().next().unwrap();
    let append = |path: &Path| {
        let path = format!("/append?path={}", path.display());
        get(address.parse().unwrap(), &path).body
    };
    for stream in ["/dev/stdout", "/dev/stderr", "/proc/self/fd/2"] {
        assert_eq!(append(Path::new(stream)), "appended", "{stream}");
    }
    wait_for("0.1 out  appended");
    wait_for("0.1 err  appended");
    assert!(append(&log).contains("ermission denied"));
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn a_program_that_the_user_cannot_execute_is_an_error_before_anything_is_bound() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let command = command(
        directory.path(),
        "-w 1 --user nobody",
        "--listen 127.0.0.1:0",
    );
    fs::set_permissions(directory.path(), Permissions::from_mode(0o700)).unwrap();
    let mut cluster = Cluster::spawn(command);
    assert_eq!(cluster.wait(), Exit::Code(126));
    let lines = cluster.log().lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("user nobody cannot execute") && lines[0].contains("test-worker"),
        "{lines:#?}"
    );
}

#[test]
fn an_embedded_watcher_runs_its_workers_as_another_user() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let worker = program_for_everybody("test-worker", directory.path());
    let worker = Program::find(worker)
        .unwrap()
        .args(["--listen", "127.0.0.1:0"]);
    let told = Arc::new(Told::default());
    let watcher = Watcher::builder(worker)
        .workers(1)
        .credentials(Credentials::find(NOBODY, None).unwrap())
        .sink(told.clone())
        .build()
        .unwrap();
    let handle = watcher.handle();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let running = runtime.spawn(watcher.run());
    told.wait_for("the cluster is ready");
    let line = told.wait_for("listening on");
    let address = line.split_whitespace().nth(2).unwrap().parse().unwrap();
    let status = get(address, "/status").body;
    assert_eq!(words(&status, "Uid:"), [""; 4].map(|_| id(&["-u", NOBODY])));
    assert_eq!(words(&status, "Gid:"), [""; 4].map(|_| id(&["-g", NOBODY])));
    assert_eq!(words(&status, "CapEff:"), ["0000000000000000"]);
    handle.stop();
    let ended = runtime.block_on(running).unwrap().unwrap();
    assert_eq!(ended, ExitReason::Stopped);
    assert!(rustix::process::geteuid().is_root(), "we stay who we are");
}

/// `everport run` by a root of whom something was taken, by `setpriv` of util-linux.
fn limited_root(taken: &[&str], directory: &Path, options: &str) -> Cluster {
    let whole = command(directory, options, "--listen 127.0.0.1:0");
    let mut limited = Command::new("setpriv");
    limited
        .args(taken)
        .arg(whole.get_program())
        .args(whole.get_args());
    Cluster::spawn(limited)
}

#[test]
fn a_root_that_lacks_a_capability_is_told_which_before_anything_is_bound() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let check = |capabilities: &str, expected: &str| {
        let taken = ["--bounding-set", capabilities, "--inh-caps", "-all"];
        let mut cluster = limited_root(&taken, directory.path(), "-w 1 --user nobody");
        assert_eq!(cluster.wait(), Exit::Code(2), "{capabilities}");
        let lines = cluster.log().lines();
        assert_eq!(lines.len(), 1, "{lines:#?}");
        assert!(lines[0].contains(expected), "{lines:#?}");
    };
    let cannot_end = "no worker could be ended as user nobody: that takes CAP_KILL";
    check("-all,+setuid,+setgid", cannot_end);
    let cannot_become = "this root lacks CAP_SETUID or CAP_SETGID";
    check("-all,+kill", cannot_become);
    check("-all,+kill,+setgid", cannot_become);
}

#[test]
fn a_root_with_three_capabilities_ends_its_workers_and_says_once_what_it_may_not() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let taken = [
        "--bounding-set",
        "-all,+setuid,+setgid,+kill",
        "--inh-caps",
        "-all",
    ];
    let options = "-w 2 -l debug -t 1 --user nobody";
    let mut cluster = limited_root(&taken, directory.path(), options);
    cluster.wait_until_ready();
    let told = "workers cannot be marked to be ended before the watcher";
    assert_eq!(cluster.log().matching(told).len(), 1);
    let worker = cluster.workers()[0];
    worker.signal(Signal::STOP);
    cluster.signal(Signal::TERM);
    assert_eq!(cluster.wait(), Exit::Code(0));
    assert!(!is_alive(worker.pid));
}

#[test]
fn a_watcher_that_keeps_its_capabilities_whoever_it_becomes_gives_none_to_workers() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let kept = ["--securebits", "+no_setuid_fixup"];
    let cluster = limited_root(&kept, directory.path(), "-w 1 --user nobody");
    cluster.wait_until_ready();
    let status = get(cluster.address(), "/status").body;
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(words(&status, set), ["0000000000000000"], "{set}");
    }
    assert_eq!(words(&status, "Uid:"), [""; 4].map(|_| id(&["-u", NOBODY])));
}

#[test]
fn a_file_of_roots_that_the_workers_user_can_write_to_is_refused() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    let file = directory.path().join("file");
    for flag in ["--log-file", "--pid-file"] {
        fs::write(&file, "").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o666)).unwrap();
        let mut command = Cluster::command(["-w", "1", "--user", "nobody", flag]);
        command.arg(&file).args(["--", "true"]);
        let mut cluster = Cluster::spawn(command);
        assert_eq!(cluster.wait(), Exit::Code(6), "{flag}");
        let expected = format!("user nobody can write to {}", file.display());
        cluster.log().wait_for(&expected);
        assert_eq!(fs::read_to_string(&file).unwrap(), "");
    }
}

#[test]
fn files_that_the_workers_user_could_redirect_are_refused() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let (theirs, link) = (
        directory.path().join("theirs"),
        directory.path().join("link"),
    );
    fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(&theirs).unwrap();
    let uid: u32 = id(&["-u", NOBODY]).parse().unwrap();
    std::os::unix::fs::chown(&theirs, Some(uid), None).unwrap();
    symlink(&theirs, &link).unwrap();
    for flag in ["--log-file", "--pid-file"] {
        for directory in [&theirs, &link] {
            let file = directory.join("file");
            let mut command = Cluster::command(["-w", "1", "--user", "nobody", flag]);
            command.arg(&file).args(["--", "true"]);
            let mut cluster = Cluster::spawn(command);
            assert_eq!(cluster.wait(), Exit::Code(6), "{flag}");
            let line = cluster.log().wait_for("out of the workers' reach");
            let owner = format!("{} belongs to user {uid}", theirs.display());
            assert!(line.contains(&owner), "{line}");
            assert!(!file.exists());
        }
    }
}

#[test]
fn a_users_file_that_waits_in_a_directory_for_everybody_is_not_written_to() {
    needs_root();
    let directory = tempfile::tempdir().unwrap();
    let sticky = Permissions::from_mode(0o1777);
    fs::set_permissions(directory.path(), sticky).unwrap();
    let file = directory.path().join("log");
    fs::write(&file, "").unwrap();
    let uid: u32 = id(&["-u", NOBODY]).parse().unwrap();
    std::os::unix::fs::chown(&file, Some(uid), None).unwrap();
    let start = |options: &str| {
        let mut command = Command::new(program("everport"));
        command
            .args(["run", "-w", "1"])
            .args(options.split_whitespace());
        command.arg("--log-file").arg(&file).args(["--", "true"]);
        Cluster::spawn(command).wait()
    };
    assert_eq!(start("--user nobody"), Exit::Code(6));
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
    // Workers that are who the watcher is could write there anyway.
    assert_eq!(start(""), Exit::Code(3));
    assert!(fs::read_to_string(&file).unwrap().contains("gave up"));
}
