//! Workers on CPUs of their own.

use std::fs;

use everport_tests::{Cluster, Exit, Kind, get};

/// The CPUs that a thread may run on, as the kernel lists them.
fn allowed(status: &str) -> String {
    let status = fs::read_to_string(status).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    line.unwrap().trim().to_owned()
}

/// `0-2,5` as numbers.
fn cpus(list: &str) -> Vec<u32> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        first.parse().unwrap()..=last.parse().unwrap()
    };
    list.split(',').flat_map(range).collect()
}

#[test]
fn each_worker_runs_with_all_of_its_threads_on_the_cpu_of_its_slot() {
    let ours = cpus(&allowed("/proc/thread-self/status"));
    let count = ours.len() + 1;
    let cluster = Cluster::ready(
        &format!("-w {count} --settle 0 --pin"),
        "--listen 127.0.0.1:0",
    );
    let check = || {
        let workers = cluster.workers();
        assert_eq!(workers.len(), count);
        for worker in workers {
            let expected = ours[worker.slot as usize % ours.len()].to_string();
            let tasks = fs::read_dir(format!("/proc/{}/task", worker.pid)).unwrap();
            for task in tasks.flatten() {
                let status = task.path().join("status");
                // A thread that has just ended has none.
                if status.exists() {
                    assert_eq!(allowed(status.to_str().unwrap()), expected, "{worker:?}");
                }
            }
        }
    };
    check();
    // A successor takes the CPU of its slot, too.
    cluster.restart();
    for slot in 0..count {
        let text = format!("worker {} (slot {slot}) ended", slot + 1);
        cluster.log().wait_for(&text);
    }
    check();
    let watcher = allowed(&format!("/proc/{}/status", cluster.pid()));
    assert_eq!(cpus(&watcher), ours, "the watcher runs where it ran");
    assert_eq!(get(cluster.address(), "/").body, "Hello, World!");
    assert_eq!(cluster.stop(), Exit::Code(0));
}

/// Each thread of a process: its name, and the CPUs that it may run on.
fn threads_of(pid: u32) -> Vec<(String, String)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let seen = tasks.flatten().map(|task| {
        let name = fs::read_to_string(task.path().join("comm")).unwrap();
        let status = task.path().join("status");
        (name.trim().to_owned(), allowed(status.to_str().unwrap()))
    });
    seen.collect()
}

#[test]
fn a_worker_that_is_a_thread_has_its_guard_on_its_cpu_and_the_watcher_stays_where_it_was() {
    let ours = cpus(&allowed("/proc/thread-self/status"));
    let count = ours.len() + 1;
    let cluster = Kind::Threads.ready(
        &format!("-w {count} --settle 0 --pin"),
        "--listen 127.0.0.1:0",
    );
    let threads = threads_of(cluster.pid());
    let of_slot = |slot: usize| ours[slot % ours.len()].to_string();
    for worker in cluster.workers() {
        let name = format!("worker-{}", worker.worker);
        let own: Vec<_> = threads.iter().filter(|thread| thread.0 == name).collect();
        assert_eq!(own, [&(name, of_slot(worker.slot as usize))]);
    }
    let guards = threads.iter().filter(|thread| thread.0 == "everport-guard");
    let mut guards: Vec<&String> = guards.map(|(_, cpus)| cpus).collect();
    guards.sort_unstable();
    let mut expected: Vec<String> = (0..count).map(of_slot).collect();
    expected.sort_unstable();
    assert_eq!(guards, expected.iter().collect::<Vec<_>>());
    let watcher = allowed(&format!("/proc/{}/status", cluster.pid()));
    assert_eq!(cpus(&watcher), ours);
    assert_eq!(cluster.stop(), Exit::Code(0));
}

#[test]
fn only_what_the_watcher_itself_may_use_is_dealt_out() {
    let ours = cpus(&allowed("/proc/thread-self/status"));
    let last = *ours.last().unwrap();
    let mut command = std::process::Command::new("taskset");
    let run = Cluster::command(["-w", "2", "--pin"]);
    command
        .args(["-c", &last.to_string()])
        .arg(run.get_program())
        .args(run.get_args())
        .arg("--")
        .arg(everport_tests::program("test-worker"))
        .args(["--listen", "127.0.0.1:0"]);
    let cluster = Cluster::spawn(command);
    cluster.wait_until_ready();
    for worker in cluster.workers() {
        let status = format!("/proc/{}/status", worker.pid);
        assert_eq!(allowed(&status), last.to_string());
    }
    assert_eq!(cluster.stop(), Exit::Code(0));
}
