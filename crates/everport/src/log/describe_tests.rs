//! What each notice reads like.

use std::time::Duration;

use everport_core::{DrainReason, ReplaceCause};

use super::*;
use crate::log::{Ending, Level, Thread};
use crate::{BindCause, BindError, Generation, PortAddress};

const WORKER: WorkerId = WorkerId(7);
const SLOT: SlotId = SlotId(2);

#[track_caller]
fn check(notice: Notice, level: Level, expected: &str) {
    assert_eq!(notice.to_string(), expected);
    assert_eq!(notice.level(), level, "{expected}");
    let names_worker = expected.contains("worker 7 (slot 2)");
    assert_eq!(notice.worker().is_some(), names_worker, "{expected}");
}

#[track_caller]
fn check_decision(decision: Decision, level: Level, expected: &str) {
    check(Notice::Supervisor(decision), level, expected);
}

fn ended(code: Option<i32>, signal: Option<i32>, expected: bool, last_lines: &[&str]) -> Notice {
    Notice::Ended {
        worker: WORKER,
        slot: SLOT,
        pid: 4711,
        ending: Ending {
            code,
            signal,
            out_of_memory: false,
            thread: None,
        },
        expected,
        last_lines: last_lines.iter().map(|line| (*line).to_owned()).collect(),
    }
}

#[test]
fn a_workers_life_is_told() {
    check(
        Notice::Spawned {
            worker: WORKER,
            slot: SLOT,
            generation: Generation(3),
            pid: 4711,
            thread: None,
        },
        Level::Info,
        "worker 7 (slot 2) started: pid 4711, generation 3",
    );
    let over = |is_proportional| Notice::OverMemory {
        worker: WORKER,
        slot: SLOT,
        used: 600 << 20,
        limit: 512 << 20,
        is_proportional,
    };
    check(
        over(true),
        Level::Warn,
        "worker 7 (slot 2) uses 600.0 MiB of memory, more than 512.0 MiB",
    );
    check(
        over(false),
        Level::Warn,
        "worker 7 (slot 2) uses 600.0 MiB of memory (resident), more than 512.0 MiB",
    );
    check(
        Notice::SpawnFailed {
            worker: WORKER,
            slot: SLOT,
            error: "text file busy".to_owned(),
        },
        Level::Error,
        "worker 7 (slot 2) could not be started: text file busy",
    );
    check_decision(
        Decision::WorkerReady {
            worker: WORKER,
            slot: SLOT,
            generation: Generation(3),
            boot: Duration::from_millis(41),
        },
        Level::Info,
        "worker 7 (slot 2) is ready after 41 ms",
    );
    check_decision(
        Decision::BootTimedOut {
            worker: WORKER,
            slot: SLOT,
            timeout: Duration::from_secs(30),
        },
        Level::Error,
        "worker 7 (slot 2) did not come up within 30 s and is killed",
    );
    check_decision(
        Decision::HangTimedOut {
            worker: WORKER,
            slot: SLOT,
            timeout: Duration::from_secs(30),
        },
        Level::Error,
        "worker 7 (slot 2) has not answered for 30 s and is killed",
    );
    check_decision(
        Decision::ReplacementStarted {
            worker: WORKER,
            slot: SLOT,
            cause: ReplaceCause::Memory,
        },
        Level::Info,
        "worker 7 (slot 2) is being replaced: it uses more memory than it may",
    );
}

#[test]
fn a_drain_is_told_with_its_reason_and_its_result() {
    for (reason, why) in [
        (DrainReason::Rollout, "its successor is ready"),
        (DrainReason::Replaced, "its successor is ready"),
        (DrainReason::ScaleDown, "its slot is removed"),
        (DrainReason::Stop, "the cluster stops"),
    ] {
        check_decision(
            Decision::Draining {
                worker: WORKER,
                slot: SLOT,
                reason,
            },
            Level::Info,
            &format!("worker 7 (slot 2) drains: {why}"),
        );
    }
    check_decision(
        Decision::DrainTimedOut {
            worker: WORKER,
            slot: SLOT,
            timeout: Duration::from_millis(2500),
        },
        Level::Warn,
        "worker 7 (slot 2) has not drained within 2.5 s and is killed",
    );
    let left = |[finished, closed, cut]: [u32; 3]| Notice::Left {
        worker: WORKER,
        slot: SLOT,
        finished,
        closed,
        cut,
    };
    check(
        left([0, 0, 0]),
        Level::Info,
        "worker 7 (slot 2) has drained",
    );
    check(
        left([1, 2, 0]),
        Level::Info,
        "worker 7 (slot 2) has drained: 1 connection finished, 2 told to close",
    );
    check(
        left([0, 2, 3]),
        Level::Warn,
        "worker 7 (slot 2) timed out draining: 2 connections told to close, 3 cut",
    );
}

#[test]
fn an_end_is_told_with_its_cause_and_a_death_with_the_last_lines() {
    check(
        ended(Some(0), None, true, &[]),
        Level::Info,
        "worker 7 (slot 2) ended: exited",
    );
    check(
        ended(Some(3), None, true, &[]),
        Level::Warn,
        "worker 7 (slot 2) ended: exited with code 3",
    );
    check(
        ended(None, Some(libc::SIGSEGV), false, &["one", "two\x1b"]),
        Level::Error,
        "worker 7 (slot 2) died: killed by SIGSEGV\n| one\n| two\\x1b",
    );
}

#[test]
fn a_stop_by_a_signal_and_its_end_are_told() {
    let suspended = |stopped| Notice::Suspended {
        worker: WORKER,
        slot: SLOT,
        stopped,
    };
    check(
        suspended(true),
        Level::Warn,
        "worker 7 (slot 2) was stopped by a signal: it does not serve",
    );
    check(
        suspended(false),
        Level::Info,
        "worker 7 (slot 2) runs again",
    );
}

#[test]
fn what_a_worker_names_cannot_forge_a_line() {
    check(
        Notice::PortRefused {
            worker: WORKER,
            slot: SLOT,
            error: BindError {
                address: PortAddress::unix("/run/a\nb"),
                cause: BindCause::Duplicate,
            },
        },
        Level::Error,
        "worker 7 (slot 2): cannot listen on unix:/run/a\\nb: this worker listens on it already (use the listener it has)",
    );
    check(
        Notice::LinkBroken {
            worker: WORKER,
            slot: SLOT,
            error: "unknown kind \x1b".to_owned(),
        },
        Level::Error,
        "worker 7 (slot 2) broke the link's protocol: unknown kind \\x1b; its link is closed",
    );
}

#[test]
fn a_start_is_told_line_by_line() {
    let started = Notice::Started {
        version: "1.2.3",
        pid: 4711,
        workers: 4,
        program: "/srv/my\nshop".to_owned(),
        threads: false,
    };
    assert_eq!(
        started.headline(),
        "everport 1.2.3, pid 4711, 4 workers of /srv/my\\nshop"
    );
    check(
        started,
        Level::Info,
        "everport 1.2.3\npid 4711\n4 workers of /srv/my\\nshop",
    );
}

#[test]
fn the_cluster_is_told_as_a_whole() {
    check_decision(
        Decision::ClusterReady {
            workers: 4,
            took: Duration::from_millis(120),
        },
        Level::Info,
        "the cluster is ready: 4 workers in 120 ms",
    );
    check_decision(
        Decision::ClusterReady {
            workers: 1,
            took: Duration::from_micros(12_345_678),
        },
        Level::Info,
        "the cluster is ready: 1 worker in 12,345 ms",
    );
    check_decision(
        Decision::Scaled { from: 2, to: 1 },
        Level::Info,
        "scaled from 2 to 1 worker",
    );
    check_decision(
        Decision::BackingOff {
            slot: SLOT,
            failures: 3,
            delay: Duration::from_millis(400),
        },
        Level::Warn,
        "slot 2 waits 400 ms before its next worker (3 failures in a row)",
    );
    check_decision(
        Decision::CrashLooping {
            slot: SLOT,
            deaths: 6,
            period: Duration::from_secs(60),
        },
        Level::Error,
        "slot 2 is crash-looping: 6 deaths within 60 s",
    );
    for (reason, level, expected) in [
        (
            ExitReason::Stopped,
            Level::Info,
            "stopping: every worker drains",
        ),
        (
            ExitReason::Forced,
            Level::Warn,
            "forced stop: every worker is killed",
        ),
        (
            ExitReason::NeverReady,
            Level::Error,
            "giving up: no worker was ever ready",
        ),
        (
            ExitReason::CrashLoop,
            Level::Error,
            "stopping: a slot is crash-looping",
        ),
    ] {
        check_decision(Decision::Stopping { reason }, level, expected);
    }
}

#[test]
fn a_hook_that_panics_is_told() {
    check(
        Notice::HookPanicked {
            hook: "on_ready",
            worker: WORKER,
            slot: SLOT,
            error: "no \x1b luck".to_owned(),
        },
        Level::Error,
        "worker 7 (slot 2): a hook of the application panicked (on_ready): no \\x1b luck",
    );
}

#[test]
fn what_goes_wrong_with_records_is_told() {
    check(
        Notice::RingRefused {
            worker: WORKER,
            slot: SLOT,
            error: "Too many open files (os error 24)".to_owned(),
        },
        Level::Warn,
        "worker 7 (slot 2) gets no ring for its records and prints them: Too many open files (os error 24)",
    );
    check(
        Notice::RingBroken {
            worker: WORKER,
            slot: SLOT,
            error: "a record of 0 bytes".to_owned(),
        },
        Level::Error,
        "worker 7 (slot 2) left no records in its ring but a record of 0 bytes; its records are not taken any more",
    );
    check(
        Notice::MessagesRefused {
            worker: WORKER,
            slot: SLOT,
            error: "Too many open files (os error 24)".to_owned(),
        },
        Level::Warn,
        "worker 7 (slot 2) gets no socket for messages: Too many open files (os error 24)",
    );
    check(
        Notice::MessagesBroken {
            worker: WORKER,
            slot: SLOT,
            error: "it sent a part of a message that was not begun".to_owned(),
        },
        Level::Error,
        "worker 7 (slot 2) has lost its messages: it sent a part of a message that was not begun; it goes on without them",
    );
    check(
        Notice::LogLevelSet {
            level: Level::Debug,
        },
        Level::Info,
        "workers were told to log from level debug up",
    );
    check(
        Notice::LogReopened {
            path: "/var/log/shop\n.log".into(),
        },
        Level::Info,
        "opened /var/log/shop\\n.log anew",
    );
}

#[test]
fn silences_are_told() {
    let silent = |lasts| Notice::Silent {
        worker: WORKER,
        slot: SLOT,
        lasts: Duration::from_millis(lasts),
    };
    check(
        silent(21),
        Level::Debug,
        "worker 7 (slot 2) has not answered for 21 ms",
    );
    check(
        silent(1000),
        Level::Warn,
        "worker 7 (slot 2) has not answered for 1 s: new connections go to those that do",
    );
    let heard = |lasted| Notice::Heard {
        worker: WORKER,
        slot: SLOT,
        lasted: Duration::from_millis(lasted),
    };
    let text = "worker 7 (slot 2) answers again after";
    check(heard(21), Level::Debug, &format!("{text} 21 ms"));
    check(heard(5000), Level::Info, &format!("{text} 5 s"));
    check(
        Notice::Overslept {
            gap: Duration::from_secs(60),
        },
        Level::Warn,
        "the watcher did not run for 60 s, which counts towards no limit",
    );
    let error = "cannot write the log: no space".to_owned();
    check(
        Notice::LogTrouble { error },
        Level::Warn,
        "cannot write the log: no space",
    );
    let changed = |others| Notice::FilesChanged {
        path: "src/\u{1b}main.rs".to_owned(),
        others,
    };
    let text = "restart: src/\\x1bmain.rs has changed";
    check(changed(0), Level::Info, text);
    check(changed(3), Level::Info, &format!("{text} (and 3 more)"));
    let error = "no space left".to_owned();
    check(
        Notice::WatchFailed { error },
        Level::Warn,
        "changes of files may have been missed: no space left",
    );
    let error = "Permission denied (os error 13)".to_owned();
    check(
        Notice::OomScoreRefused { error },
        Level::Debug,
        "workers cannot be marked to be ended before the watcher when memory runs out: Permission denied (os error 13)",
    );
}

#[test]
fn what_a_stuck_worker_does_is_told_line_by_line() {
    let thread = |id, name: &str, state, wait_channel: Option<&str>, stack: &[&str]| Thread {
        id,
        name: name.to_owned(),
        state,
        wait_channel: wait_channel.map(str::to_owned),
        stack: stack.iter().map(|line| (*line).to_owned()).collect(),
    };
    let stuck = |threads, last_lines: &[&str]| Notice::Stuck {
        worker: WORKER,
        slot: SLOT,
        threads,
        last_lines: last_lines.iter().map(|line| (*line).to_owned()).collect(),
    };
    check(
        stuck(
            vec![
                thread(4711, "server", 'R', None, &[]),
                thread(
                    4712,
                    "evil\n\u{1b}[2J",
                    'D',
                    Some("nfs_wait"),
                    &["nfs_wait+0x1/0x2"],
                ),
            ],
            &["last words"],
        ),
        Level::Warn,
        "worker 7 (slot 2) before it is killed:\n\
         | thread 4711 (server) runs\n\
         | thread 4712 (evil\\n\\x1b[2J) waits for a device in nfs_wait\n\
         |   in nfs_wait+0x1/0x2\n\
         | it said last:\n\
         | last words",
    );
    check(
        stuck(Vec::new(), &[]),
        Level::Warn,
        "worker 7 (slot 2) before it is killed: the system does not tell what its threads do",
    );
}
