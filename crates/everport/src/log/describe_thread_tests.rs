//! What notices read like of a worker that is a thread.

use crate::log::{Ending, Level, Notice, ThreadEnding};
use crate::{Generation, SlotId, WorkerId};

const WORKER: WorkerId = WorkerId(7);
const SLOT: SlotId = SlotId(2);

#[track_caller]
fn check(notice: Notice, level: Level, expected: &str) {
    assert_eq!(notice.to_string(), expected);
    assert_eq!(notice.level(), level, "{expected}");
    assert_eq!(notice.worker(), Some((WORKER, SLOT)), "{expected}");
}

#[test]
fn a_workers_thread_is_told_of_as_one() {
    let (worker, slot) = (WORKER, SLOT);
    check(
        Notice::Spawned {
            worker,
            slot,
            generation: Generation(3),
            pid: 4711,
            thread: Some("worker-7".to_owned()),
        },
        Level::Info,
        "worker 7 (slot 2) started: thread worker-7, generation 3",
    );
    let died = |thread| Notice::Ended {
        worker,
        slot,
        pid: 4711,
        ending: Ending::of_thread(thread),
        expected: false,
        last_lines: Vec::new(),
    };
    let check_death = |thread, expected: &str| {
        let text = format!("worker 7 (slot 2) died: {expected}");
        check(died(thread), Level::Error, &text);
    };
    check_death(ThreadEnding::Returned, "returned");
    check_death(
        ThreadEnding::Failed("no\nluck".to_owned()),
        "failed: no\\nluck",
    );
    check_death(
        ThreadEnding::Panicked("at src/main.rs:1:2: \x1b".to_owned()),
        "panicked at src/main.rs:1:2: \\x1b",
    );
    check_death(ThreadEnding::Killed, "killed");
    check(
        Notice::ThreadAbandoned {
            worker,
            slot,
            count: 2,
        },
        Level::Error,
        "worker 7 (slot 2) hangs, and its thread cannot be ended: it is abandoned, with what it holds \
         (2 threads so far; only the end of the process ends them)",
    );
    let ended = |count| Notice::ThreadEnded {
        worker,
        slot,
        ending: ThreadEnding::Killed,
        count,
    };
    check(
        ended(0),
        Level::Info,
        "the thread of worker 7 (slot 2) has ended after all: killed",
    );
    check(
        ended(1),
        Level::Info,
        "the thread of worker 7 (slot 2) has ended after all: killed (1 thread still abandoned)",
    );
}
