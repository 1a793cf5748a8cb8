//! What a worker gets from its watcher, exactly.

use std::collections::BTreeSet;
use std::process::Command;

use everport_tests::{Cluster, PATIENCE, get, program};

/// A cluster of one, started by a shell that leaves it a strange inheritance.
fn cluster_with(shell: &str, options: &str) -> Cluster {
    let mut command = Command::new("sh");
    let everport = program("everport").display().to_string();
    let worker = program("test-worker").display().to_string();
    command.args([
        "-c",
        &format!("{shell} exec {everport} run -w 1 {options} -- {worker} --listen 127.0.0.1:0"),
    ]);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    cluster
}

#[test]
fn descriptors_are_the_standard_ones_and_the_link() {
    // The shell leaks descriptors 7 and 9 to the watcher.
    let cluster = cluster_with("exec 7</etc/passwd 9</etc/passwd;", "");
    let descriptors = get(cluster.address(), "/descriptors").body;
    let kind = |line: &str| {
        let (number, target) = line.split_once(' ').unwrap();
        let target = target.split(':').next().unwrap().to_owned();
        (number.parse::<u32>().unwrap(), target)
    };
    let open: Vec<(u32, String)> = descriptors.lines().map(kind).collect();
    let standard: Vec<&str> = open
        .iter()
        .filter(|(number, _)| *number < 3)
        .map(|(_, target)| target.as_str())
        .collect();
    assert_eq!(standard, ["/dev/null", "pipe", "pipe"], "{descriptors}");
    assert!(!descriptors.contains("passwd"), "{descriptors}");
    // What it opened by itself: its runtime's, the directory being listed, its link and its sockets.
    let others: BTreeSet<&str> = open
        .iter()
        .filter(|(number, _)| *number > 2)
        .map(|(_, target)| target.as_str())
        .collect();
    assert!(
        others
            .iter()
            .all(|target| ["socket", "anon_inode", "pipe"].contains(target)
                || target.contains("/proc/")),
        "{descriptors}"
    );
}

/// The numbers of a process's descriptors once there are this many: while it loads its libraries it has
/// files open, too.
fn descriptors_once_there_are(count: usize, pid: u32) -> Vec<String> {
    let deadline = std::time::Instant::now() + PATIENCE;
    loop {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd"));
        let numbers: Vec<String> = open
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        if numbers.len() == count {
            return numbers;
        }
        assert!(std::time::Instant::now() < deadline, "{numbers:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_program_that_opens_nothing_has_four_descriptors() {
    let mut command = Cluster::command(["-w", "1"]);
    command.args(["--", "sleep", "60"]);
    let cluster = Cluster::spawn(command);
    cluster.log().wait_for("started: pid");
    let worker = cluster.workers()[0];
    let mut numbers = descriptors_once_there_are(4, worker.pid);
    let name =
        |number: &str| std::fs::read_link(format!("/proc/{}/fd/{number}", worker.pid)).unwrap();
    numbers.sort_by_key(|number| number.parse::<u32>().unwrap());
    assert_eq!(numbers[..3], ["0", "1", "2"], "{numbers:?}");
    assert_eq!(name("0").to_str(), Some("/dev/null"));
    assert!(
        name("1").to_string_lossy().starts_with("pipe:")
            && name("2").to_string_lossy().starts_with("pipe:")
    );
    let environment = std::fs::read(format!("/proc/{}/environ", worker.pid)).unwrap();
    let link = name(&numbers[3])
        .to_string_lossy()
        .replace("socket:[", "")
        .replace(']', "");
    let variable = format!("EVERPORT_LINK={}:{link}", numbers[3]);
    assert!(
        environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == variable.as_bytes()),
        "{variable}"
    );
}

#[test]
fn a_worker_is_named_after_its_program() {
    let cluster = cluster_with("", "");
    let worker = cluster.workers()[0];
    let about = |what: &str| format!("/proc/{}/{what}", worker.pid);
    let path = program("test-worker");
    assert_eq!(std::fs::read_link(about("exe")).unwrap(), path);
    assert_eq!(
        std::fs::read_to_string(about("comm")).unwrap(),
        "test-worker\n"
    );
    let arguments = std::fs::read(about("cmdline")).unwrap();
    let expected = format!("{}\0--listen\0127.0.0.1:0\0", path.display());
    assert_eq!(String::from_utf8_lossy(&arguments), expected);
}

#[test]
fn the_environment_is_the_watchers_less_what_is_for_it_alone() {
    let ours = "export KEPT=yes NOTIFY_SOCKET=/x WATCHDOG_USEC=1 WATCHDOG_PID=1 LISTEN_FDS=1 LISTEN_PID=1 LISTEN_FDNAMES=a EVERPORT_LINK=7:1;";
    let cluster = cluster_with(ours, "--env GIVEN=too");
    let environment = get(cluster.address(), "/environment").body;
    let names: BTreeSet<&str> = environment
        .lines()
        .filter_map(|line| line.split('=').next())
        .collect();
    assert!(
        environment.contains("KEPT=yes\n") && environment.contains("GIVEN=too\n"),
        "{environment}"
    );
    for gone in [
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
        "WATCHDOG_PID",
        "LISTEN_FDS",
        "LISTEN_PID",
        "LISTEN_FDNAMES",
    ] {
        assert!(!names.contains(gone), "{environment}");
    }
    assert!(
        !environment.contains("EVERPORT_LINK=7:1\n"),
        "{environment}"
    );
    let added: Vec<&&str> = names
        .iter()
        .filter(|name| name.starts_with("EVERPORT"))
        .collect();
    assert_eq!(added, [&"EVERPORT_LINK"]);
}

#[test]
fn no_signal_is_blocked_or_ignored() {
    let cluster = cluster_with("trap '' HUP PIPE USR2;", "");
    let signals = get(cluster.address(), "/signals").body;
    let mask = |name: &str| {
        let line = signals.lines().find(|line| line.starts_with(name)).unwrap();
        u64::from_str_radix(line.split_whitespace().last().unwrap(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk"), 0, "{signals}");
    // Rust's own start-up ignores SIGPIPE (13) again; nothing else is.
    let sigpipe = 1 << 12;
    // The portable way asks the C library, which touches neither of those it uses itself (32 and 33); whoever
    // runs the tests may have ignored them.
    let of_the_library = if cfg!(everport_portable) { 3 << 31 } else { 0 };
    let others = !(sigpipe | of_the_library);
    assert_eq!(mask("SigIgn") & others, 0, "{signals}");
}

#[test]
fn the_limit_on_open_files_is_what_the_watcher_started_with() {
    let mut command = Command::new("sh");
    let everport = program("everport").display().to_string();
    let script = "ulimit -S -n 200; exec $0 run -w 1 -- sh -c 'echo soft limit $(ulimit -S -n); exec sleep 30'";
    command.args(["-c", script, &everport]);
    let cluster = Cluster::spawn(command);
    cluster.log().wait_for("soft limit 200");
}
