//! What workers may not do, whoever runs them, and what nobody may do to the watcher.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::process::Command;

use everport_tests::{Cluster, Exit, get, program, program_for_everybody, without_privileges};

/// A line of what the kernel tells about a process, without its name.
fn line<'status>(status: &'status str, name: &str) -> &'status str {
    let mut lines = status.lines();
    lines
        .find_map(|line| line.strip_prefix(name))
        .unwrap()
        .trim()
}

#[test]
fn workers_gain_no_privileges_and_dump_no_core_unless_that_is_allowed() {
    let check = |options: &str, no_new_privileges: &str, core_is_dumped: bool| {
        // A watcher that could dump core itself, at least as far as it has been let.
        let script = "ulimit -S -c $(ulimit -H -c); exec \"$0\" \"$@\"";
        let mut command = Command::new("sh");
        command.args(["-c", script]).arg(program("everport"));
        command
            .args(["run", "-w", "1"])
            .args(options.split_whitespace());
        command.arg("--").arg(program("test-worker"));
        command.args(["--listen", "127.0.0.1:0"]);
        let cluster = Cluster::spawn(command);
        cluster.wait_until_ready();
        let status = get(cluster.address(), "/status").body;
        assert_eq!(line(&status, "NoNewPrivs:"), no_new_privileges, "{options}");
        let core = line(&status, "Max core file size");
        let limits = fs::read_to_string(format!("/proc/{}/limits", cluster.pid())).unwrap();
        if core_is_dumped {
            assert_eq!(core, line(&limits, "Max core file size"));
        } else {
            // One byte: see `NO_CORE` in watcher/privileges.
            let words: Vec<_> = core.split_whitespace().collect();
            assert_eq!(words, ["1", "1", "bytes"]);
        }
    };
    check("", "1", false);
    check("--core-dumps", "1", true);
    check("--new-privileges", "0", false);
}

#[test]
fn who_may_dump_no_core_and_may_not_raise_that_limit_starts_workers_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let everport = program_for_everybody("everport", directory.path());
    let mut command = Command::new("sh");
    let script =
        "ulimit -c 0; exec \"$0\" run -w 1 -- sh -c 'echo core $(ulimit -H -c); exec sleep 60'";
    command.args(["-c", script]).arg(everport);
    without_privileges(&mut command).current_dir("/");
    let cluster = Cluster::spawn(command);
    cluster.log().wait_for("0.1 out  core 0");
}

#[test]
fn the_umask_is_the_watchers_or_the_one_asked_for() {
    let check = |options: &str, expected: &str| {
        let mut command = Command::new("sh");
        command
            .args(["-c", "umask 031; exec \"$0\" \"$@\""])
            .arg(program("everport"));
        command
            .args(["run", "-w", "1"])
            .args(options.split_whitespace());
        command.args(["--", "sh", "-c", "umask; exec sleep 60"]);
        let cluster = Cluster::spawn(command);
        cluster.log().wait_for(&format!("0.1 out  {expected}"));
    };
    check("", "0031");
    check("--umask 027", "0027");
}

#[test]
fn the_kernel_ends_a_worker_before_the_watcher() {
    let cluster = Cluster::ready("-w 1", "--listen 127.0.0.1:0");
    let score = |pid: u32| -> i32 {
        let text = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
        text.trim().parse().unwrap()
    };
    let (watcher, worker) = (score(cluster.pid()), score(cluster.workers()[0].pid));
    assert_eq!(worker, (watcher + 100).min(1000));
}

#[test]
fn an_ordinary_users_watcher_is_nobody_elses_to_look_into_and_works_as_roots_does() {
    let directory = tempfile::tempdir().unwrap();
    let everport = program_for_everybody("everport", directory.path());
    let worker = program_for_everybody("test-worker", directory.path());
    let mut command = Command::new(everport);
    command.args("run -w 1 --settle 0 --name watcher --max-memory 1G --".split_whitespace());
    command.arg(worker).args(["--listen", "127.0.0.1:0"]);
    without_privileges(&mut command).current_dir("/");
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    let owner = |pid: u32, file: &str| fs::metadata(format!("/proc/{pid}/{file}")).unwrap().uid();
    // What belongs to root belongs to nobody else: not even workers of the same user can read it.
    assert_eq!(owner(cluster.pid(), "environ"), 0);
    assert_eq!(owner(cluster.pid(), "fd"), 0);
    let pid = cluster.workers()[0].pid;
    assert_ne!(owner(pid, "environ"), 0);
    let name = fs::read_to_string(format!("/proc/{}/comm", cluster.pid())).unwrap();
    assert_eq!(name, "watcher\n");
    let score = fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap();
    assert!(score.trim().parse::<i32>().unwrap() >= 100, "{score}");
    cluster.restart();
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn who_is_not_root_cannot_run_workers_as_somebody_else_and_is_told_so_first() {
    let directory = tempfile::tempdir().unwrap();
    let everport = program_for_everybody("everport", directory.path());
    let mut command = Command::new(everport);
    command.args("run -w 1 --user root -- true".split_whitespace());
    without_privileges(&mut command).current_dir("/");
    let mut cluster = Cluster::spawn(command);
    assert_eq!(cluster.wait(), Exit::Code(2));
    let lines = cluster.log().lines();
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(
        lines[0].contains("cannot become user root: Operation not permitted")
            && lines[0].contains("only root can"),
        "{lines:#?}"
    );
}

#[test]
fn who_wants_core_dumps_may_look_into_the_watcher() {
    let directory = tempfile::tempdir().unwrap();
    let everport = program_for_everybody("everport", directory.path());
    let mut command = Command::new(everport);
    command.args("run -w 1 --core-dumps -- sleep 60".split_whitespace());
    without_privileges(&mut command).current_dir("/");
    let cluster = Cluster::spawn(command);
    cluster.log().wait_for("started: pid");
    let owner = |file: &str| {
        fs::metadata(format!("/proc/{}/{file}", cluster.pid()))
            .unwrap()
            .uid()
    };
    assert_eq!(owner("environ"), owner("task"));
    assert_ne!(owner("environ"), 0);
}
