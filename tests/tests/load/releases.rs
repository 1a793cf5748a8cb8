//! What becomes of a cluster whose program is replaced, deleted or spoiled: it stays on the release it has, or
//! moves to one that works.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;

use everport_load::RunningLoad;
use everport_tests::{
    Cluster, Deployment, WorkerSeen, get, inspectable, is_alive, is_stopped, share_turn,
    unless_spoilt, wait_until,
};
use rustix::process::Signal;

use crate::{go_on, one_shot_load};

fn ready_cluster(deployment: &Deployment, options: &str) -> Cluster {
    let mut command = Cluster::command(options.split_whitespace());
    command.arg("--").arg(deployment.path());
    command.args(["--listen", "127.0.0.1:0"]);
    let cluster = Cluster::spawn(inspectable(command));
    cluster.wait_until_ready();
    cluster
}

/// Every worker's executable is of this release, and the answers are, too.
#[track_caller]
pub(crate) fn check_all_run(cluster: &Cluster, workers: usize, release: &str) {
    let releases: Vec<Option<String>> = cluster.workers().iter().map(WorkerSeen::release).collect();
    let log = cluster.log().lines();
    assert_eq!(
        releases,
        vec![Some(release.to_owned()); workers],
        "{log:#?}"
    );
    let answer = get(cluster.address(), "/");
    assert_eq!(answer.header("x-release"), Some(release), "{answer:?}");
}

pub(crate) fn pids(cluster: &Cluster) -> Vec<u32> {
    cluster.workers().iter().map(|worker| worker.pid).collect()
}

/// Asks for a rolling restart and returns the line of its abort and those that follow, up to the roll back.
fn abort(cluster: &Cluster) -> Vec<String> {
    let before = cluster.log().position();
    cluster.signal(Signal::USR1);
    cluster
        .log()
        .wait_until("an abort and its roll back", |lines| {
            let new = lines.get(before..)?;
            let abort = new.iter().position(|line| line.contains(" aborted: "))?;
            let back = new
                .iter()
                .position(|line| line.contains("rolled back to"))?;
            Some(new[abort..=back].to_vec())
        })
}

/// Has a worker replaced by one of its own generation and waits until it is gone.
fn replace(cluster: &Cluster, worker: &WorkerSeen) {
    worker.signal(Signal::TERM);
    let WorkerSeen { worker, slot, .. } = worker;
    let gone = format!("worker {worker} (slot {slot}) ended: exited");
    cluster.log().wait_for(&gone);
}

/// Kills a worker and waits until its slot has a ready one again.
pub(crate) fn kill(cluster: &Cluster, worker: &WorkerSeen) {
    let before = cluster.log().position();
    worker.signal(Signal::KILL);
    let slot = format!("(slot {}) is ready after", worker.slot);
    cluster.log().wait_after(before, &slot);
}

pub(crate) fn end_without_loss(load: RunningLoad) {
    go_on(&load, 200);
    load.stop().assert_lossless();
}

/// Rolls a release out that does not come up, under load: no old worker is touched. Returns what the log says.
fn broken_release(words: &str, options: &str) -> Vec<String> {
    let _turn = share_turn();
    let deployment = Deployment::of("v1");
    let cluster = ready_cluster(&deployment, &format!("-w 4 --settle 0.1 {options}"));
    let load = one_shot_load(cluster.address());
    go_on(&load, 100);
    let before = pids(&cluster);
    deployment.put(&format!("v2 {words}"));
    let told = abort(&cluster);
    end_without_loss(load);
    // The failed one may have yet to be reaped.
    let failed = "worker 5 (slot 0) ";
    cluster
        .log()
        .wait_until("the failed worker's end", |lines| {
            let ended = |line: &String| {
                line.contains(failed) && (line.contains(" died: ") || line.contains(" ended: "))
            };
            lines.iter().any(ended).then_some(())
        });
    assert_eq!(pids(&cluster), before, "an old worker was touched");
    check_all_run(&cluster, 4, "v1");
    if words == "crashes-at-boot" {
        let last_lines = cluster.log().matching("watcher  | ");
        assert_eq!(last_lines.len(), 1, "told twice: {last_lines:#?}");
    }
    told
}

#[test]
fn a_release_that_crashes_at_boot_is_rolled_back_without_loss() {
    let told = broken_release("crashes-at-boot", "");
    let [abort, last_line, back] = &told[..] else {
        panic!("{told:#?}");
    };
    assert!(
        abort.ends_with("aborted: worker 5 (slot 0) died before it was ready (exited with code 3); generation 1 stays"),
        "{told:#?}"
    );
    assert!(last_line.ends_with(" | release v2 is broken"), "{told:#?}");
    assert!(
        back.contains("rolled back to generation 1 in "),
        "{told:#?}"
    );
    assert!(back.ends_with("(0 slots)"), "{told:#?}");
}

#[test]
fn a_release_that_hangs_at_boot_is_rolled_back_without_loss() {
    let told = broken_release("hangs-at-boot", "--boot-timeout 10");
    let [abort, last_line, _back] = &told[..] else {
        panic!("{told:#?}");
    };
    assert!(
        abort.ends_with("aborted: worker 5 (slot 0) did not come up in time; generation 1 stays"),
        "{told:#?}"
    );
    assert!(last_line.ends_with(" | release v2 hangs"), "{told:#?}");
}

#[test]
fn a_release_that_dies_while_it_settles_in_the_third_of_four_slots_is_rolled_back_without_loss() {
    let _turn = share_turn();
    let deployment = Deployment::of("v1");
    let cluster = ready_cluster(&deployment, "-w 4 --settle 4");
    let load = one_shot_load(cluster.address());
    go_on(&load, 100);
    deployment.put("v2 crashes-in-slot-2");
    let told = abort(&cluster);
    assert!(
        told[0].contains("(slot 2) died after it was ready (exited with code 3); generation 1 stays, 2 slots return to it"),
        "{told:#?}"
    );
    assert!(
        told[1].ends_with(" | release v2 is broken in slot 2"),
        "{told:#?}"
    );
    assert!(told.last().unwrap().ends_with("(2 slots)"), "{told:#?}");
    end_without_loss(load);
    // The way back ran the old release although the path holds the new one.
    cluster.log().wait_for_many(4, " ended: exited");
    check_all_run(&cluster, 4, "v1");
}

#[test]
fn workers_stay_on_their_release_while_the_path_holds_a_broken_one() {
    let _turn = share_turn();
    let deployment = Deployment::of("v1");
    let cluster = ready_cluster(&deployment, "-w 4 --settle 0.1");
    deployment.put("v2 crashes-at-boot");
    kill(&cluster, &cluster.workers()[0]);
    check_all_run(&cluster, 4, "v1");
    let load = one_shot_load(cluster.address());
    go_on(&load, 100);
    replace(&cluster, &cluster.workers()[0]);
    let told = abort(&cluster);
    assert!(told[0].contains("died before it was ready"), "{told:#?}");
    end_without_loss(load);
    check_all_run(&cluster, 4, "v1");
}

#[test]
fn only_a_rollout_brings_a_new_release() {
    let _turn = share_turn();
    let deployment = Deployment::of("v1");
    let cluster = ready_cluster(&deployment, "-w 4 --settle 0.1");
    let load = one_shot_load(cluster.address());
    for (old, new) in [("v1", "v2"), ("v2", "v3")] {
        deployment.put(new);
        replace(&cluster, &cluster.workers()[0]);
        check_all_run(&cluster, 4, old);
        let ended = cluster.log().matching(" ended: exited").len();
        cluster.restart();
        cluster.log().wait_for_many(ended + 4, " ended: exited");
        check_all_run(&cluster, 4, new);
    }
    end_without_loss(load);
    // The programs of generations that are gone are not kept open. Only root may look into the watcher.
    if let Ok(open) = fs::read_dir(format!("/proc/{}/fd", cluster.pid())) {
        let directory = deployment.path().parent().unwrap().to_path_buf();
        let targets = open
            .flatten()
            .filter_map(|entry| fs::read_link(entry.path()).ok());
        let programs: Vec<_> = targets
            .filter(|target| target.starts_with(&directory))
            .collect();
        assert_eq!(programs, [deployment.path()]);
    }
}

#[test]
fn a_deleted_program_goes_on_running() {
    let _turn = share_turn();
    let deployment = Deployment::of("v1");
    let cluster = ready_cluster(&deployment, "-w 4 --settle 0.1");
    fs::remove_file(deployment.path()).unwrap();
    kill(&cluster, &cluster.workers()[0]);
    check_all_run(&cluster, 4, "v1");
    let load = one_shot_load(cluster.address());
    go_on(&load, 100);
    replace(&cluster, &cluster.workers()[0]);
    let told = abort(&cluster);
    let expected = format!(
        "could not be started: there is no {} (put the program there, then restart); generation 1 stays",
        deployment.path().display()
    );
    assert!(told[0].ends_with(&expected), "{told:#?}");
    end_without_loss(load);
    check_all_run(&cluster, 4, "v1");
}

#[test]
fn a_file_that_was_copied_by_half_loses_nothing() {
    let _turn = share_turn();
    let deployment = Deployment::of("v1");
    let cluster = ready_cluster(&deployment, "-w 4 --settle 0.1");
    let load = one_shot_load(cluster.address());
    let mut before = pids(&cluster);
    // Nothing yet, not even a whole header, and a header without what it tells of.
    for (bytes, how) in [
        (0, "is no program that this system executes"),
        (2, "is no program that this system executes"),
        (100_000, "(slot 0) died before it was ready (killed by SIG"),
    ] {
        deployment.put_part(bytes);
        let told = abort(&cluster);
        assert!(told[0].contains(how), "{told:#?}");
        assert_eq!(pids(&cluster), before, "an old worker was touched");
        // The successor of one that is told to go is of the old release, whatever is at the path.
        replace(&cluster, &cluster.workers()[0]);
        before = pids(&cluster);
    }
    end_without_loss(load);
    kill(&cluster, &cluster.workers()[0]);
    check_all_run(&cluster, 4, "v1");
}

#[test]
fn a_program_that_was_only_half_there_at_the_start_comes_up_once_it_is_whole() {
    unless_spoilt(complete_a_program);
}

fn complete_a_program() -> Result<(), String> {
    let deployment = Deployment::of("v1");
    deployment.put_part(100_000);
    let mut command = Cluster::command(["-w", "1"]);
    command.arg("--").arg(deployment.path());
    command.args(["--listen", "127.0.0.1:0"]);
    let cluster = Cluster::spawn(command);
    cluster.log().wait_for("(slot 0) died: ");
    // It gives up after five deaths, which may be sooner than a copy is made.
    cluster.signal(Signal::STOP);
    wait_until("it stands still", || {
        is_stopped(cluster.pid()) || !is_alive(cluster.pid())
    });
    // What it has told by then is on its way to us.
    let is_over = |line: &String| line.contains("(slot 0) died: ");
    if !is_alive(cluster.pid())
        || cluster
            .log()
            .lines()
            .iter()
            .filter(|line| is_over(line))
            .count()
            >= 4
    {
        return Err("this test stood still until it had given up".to_owned());
    }
    deployment.put("v2");
    cluster.signal(Signal::CONT);
    cluster.wait_until_ready();
    check_all_run(&cluster, 1, "v2");
    Ok(())
}

/// Opens a file as `cp` onto it would.
fn truncate(deployment: &Deployment) -> io::Result<File> {
    File::options()
        .write(true)
        .truncate(true)
        .open(deployment.path())
}

#[test]
fn a_running_program_cannot_be_truncated() {
    let _turn = share_turn();
    let deployment = Deployment::of("v1");
    let cluster = ready_cluster(&deployment, "-w 2 --settle 0.1");
    let load = one_shot_load(cluster.address());
    let refused = truncate(&deployment).unwrap_err();
    assert_eq!(
        refused.raw_os_error(),
        Some(rustix::io::Errno::TXTBSY.raw_os_error())
    );
    replace(&cluster, &cluster.workers()[0]);
    end_without_loss(load);
    check_all_run(&cluster, 2, "v1");
}

/// As `touch` does, and tools that bring files up to date.
#[test]
fn a_program_whose_time_alone_has_changed_goes_on_running() {
    let _turn = share_turn();
    let deployment = Deployment::of("v1");
    let cluster = ready_cluster(&deployment, "-w 2 --settle 0.1");
    let touch = |seconds| {
        let file = File::open(deployment.path()).unwrap();
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
        file.set_modified(at).unwrap();
    };
    touch(1);
    kill(&cluster, &cluster.workers()[0]);
    touch(2);
    replace(&cluster, &cluster.workers()[1]);
    check_all_run(&cluster, 2, "v1");
    let refused = cluster.log().matching("could not be started");
    assert_eq!(refused, [""; 0]);
}

/// While no worker runs nothing keeps anybody from writing to the file.
#[test]
fn a_program_that_was_changed_in_place_is_not_run_and_the_next_release_helps() {
    let _turn = share_turn();
    let deployment = Deployment::of("v1");
    let cluster = ready_cluster(&deployment, "-w 2 --settle 0.1");
    let address = cluster.address();
    fs::set_permissions(deployment.path(), Permissions::from_mode(0o600)).unwrap();
    for worker in cluster.workers() {
        worker.signal(Signal::KILL);
    }
    cluster
        .log()
        .wait_for_many(2, "could not be started: Permission denied");
    drop(truncate(&deployment).unwrap());
    fs::set_permissions(deployment.path(), Permissions::from_mode(0o700)).unwrap();
    let expected = format!(
        "could not be started: the program of generation 1 was changed in place: {} (deploy by moving a new file to the path (mv), then restart)",
        deployment.path().display()
    );
    cluster.log().wait_for(&expected);
    // Clients wait for the release that helps; none is refused.
    let load = one_shot_load(address);
    deployment.put("v2");
    cluster.restart();
    end_without_loss(load);
    check_all_run(&cluster, 2, "v2");
}

#[test]
fn a_script_goes_by_its_path() {
    let _turn = share_turn();
    let releases = [Deployment::of("v1"), Deployment::of("v2")];
    let script = |release: usize| {
        let program = releases[release].path();
        format!("#!/bin/sh\nexec {} \"$@\"\n", program.display())
    };
    let deployment = Deployment::of("no script yet");
    deployment.put_script(&script(0));
    let cluster = ready_cluster(&deployment, "-w 2 --settle 0.1");
    check_all_run(&cluster, 2, "v1");
    let load = one_shot_load(cluster.address());
    deployment.put_script(&script(1));
    for worker in cluster.workers() {
        replace(&cluster, &worker);
    }
    end_without_loss(load);
    check_all_run(&cluster, 2, "v2");
}
