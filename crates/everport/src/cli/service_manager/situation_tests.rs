//! What the service manager is told, message by message.

use super::*;
use crate::log::{AbortedRollout, Ending};
use crate::watcher::{AbortCause, WorkerState, WorkerStatus};
use crate::{SlotId, WorkerId};

const LIMITS: Limits = Limits {
    boot: Duration::from_secs(30),
    settle: Duration::from_secs(1),
    drain: Duration::from_secs(60),
};

/// A cluster of two with these ready workers: slot and generation of each.
fn status(ready: &[(u32, u64)]) -> Status {
    let worker = |(slot, generation): &(u32, u64)| WorkerStatus {
        id: WorkerId(generation * 10 + u64::from(*slot)),
        slot: SlotId(*slot),
        generation: Generation(*generation),
        pid: None,
        state: WorkerState::Ready,
        suspended: false,
        silent: false,
    };
    Status {
        generation: Generation(1),
        rollout: None,
        leaving: false,
        stopping: false,
        slots: 2,
        workers: ready.iter().map(worker).collect(),
    }
}

fn ready(slot: u32) -> Decision {
    Decision::WorkerReady {
        worker: WorkerId(u64::from(slot)),
        slot: SlotId(slot),
        generation: Generation(1),
        boot: Duration::ZERO,
    }
}

const CLUSTER_READY: Decision = Decision::ClusterReady {
    workers: 2,
    took: Duration::ZERO,
};
const ROLLOUT: Decision = Decision::RolloutStarted {
    generation: Generation(2),
    from: Generation(1),
};
const FINISHED: Decision = Decision::RolloutFinished {
    generation: Generation(2),
    took: Duration::ZERO,
};
const STOPPING: Decision = Decision::Stopping {
    reason: ExitReason::Stopped,
};

fn aborted() -> Notice {
    Notice::RolloutAborted(AbortedRollout {
        generation: Generation(2),
        back_to: Generation(1),
        slot: SlotId(0),
        worker: WorkerId(3),
        cause: AbortCause::DiedBooting,
        ending: Some(Ending {
            code: Some(1),
            signal: None,
            out_of_memory: false,
            thread: None,
        }),
        error: None,
        last_lines: Vec::new(),
        moved: 0,
    })
}

/// The messages that follow from this, each in one line, without times.
fn told(situation: &mut Situation, status: Option<&Status>) -> Vec<String> {
    situation.look(status);
    let mut messages = Vec::new();
    while let Some(message) = situation.next_message() {
        situation.note_sent(&message);
        let words = message.lines().map(|line| match line.split_once('=') {
            Some((key @ "MONOTONIC_USEC", time)) if time.parse::<u64>().is_ok() => key,
            _ => line,
        });
        messages.push(words.collect::<Vec<_>>().join(" "));
    }
    messages
}

fn note(situation: &mut Situation, decisions: &[Decision]) {
    for decision in decisions {
        assert!(situation.note(&Notice::Supervisor(*decision)));
    }
}

/// A cluster that is up and has told so.
fn running() -> Situation {
    let mut situation = Situation::new(LIMITS);
    note(&mut situation, &[CLUSTER_READY]);
    told(&mut situation, Some(&status(&[(0, 1), (1, 1)])));
    situation
}

#[test]
fn it_is_ready_once_every_slot_is() {
    let mut situation = Situation::new(LIMITS);
    note(&mut situation, &[ready(0)]);
    assert_eq!(
        told(&mut situation, Some(&status(&[(0, 1)]))),
        ["STATUS=starting: 1 of 2 workers ready EXTEND_TIMEOUT_USEC=35000000"]
    );
    note(&mut situation, &[ready(1), CLUSTER_READY]);
    let messages = told(&mut situation, Some(&status(&[(0, 1), (1, 1)])));
    assert_eq!(
        messages,
        ["READY=1 STATUS=2 of 2 workers ready, generation 1 EXTEND_TIMEOUT_USEC=35000000"]
    );
    assert_eq!(
        told(&mut situation, Some(&status(&[(0, 1), (1, 1)]))),
        [""; 0]
    );
}

/// What is told when nobody has read anything until then.
fn told_late(situation: &mut Situation, status: Option<&Status>) -> Vec<String> {
    situation.look(status);
    assert!(situation.next_message().is_some());
    situation.keep_for_later();
    assert!(situation.has_steps() && situation.next_message().is_none());
    told(situation, status)
}

#[test]
fn what_nobody_has_read_is_told_as_it_is_by_then() {
    let both = status(&[(0, 1), (1, 1)]);
    let mut situation = Situation::new(LIMITS);
    note(&mut situation, &[ready(0), ready(1), CLUSTER_READY]);
    let up = "READY=1 STATUS=2 of 2 workers ready, generation 1 EXTEND_TIMEOUT_USEC=35000000";
    assert_eq!(told_late(&mut situation, Some(&both)), [up]);
    assert_eq!(told(&mut situation, Some(&both)), [""; 0]);
    assert!(!situation.has_steps());
}

#[test]
fn a_service_manager_that_comes_late_learns_the_state_and_not_the_history() {
    let both = status(&[(0, 1), (1, 1)]);
    let steps = |decisions: &[Decision]| {
        let mut situation = Situation::new(LIMITS);
        for decision in decisions {
            note(&mut situation, &[*decision]);
            situation.look(Some(&both));
            situation.keep_for_later();
        }
        let told = told(&mut situation, Some(&both));
        let first = |message: &String| message.split(' ').next().unwrap().to_owned();
        told.iter().map(first).collect::<Vec<_>>()
    };
    let reload = ["READY=1", "RELOADING=1", "READY=1"];
    assert_eq!(steps(&[CLUSTER_READY, ROLLOUT]), reload[..2]);
    assert_eq!(steps(&[CLUSTER_READY, ROLLOUT, FINISHED]), reload);
    let twice = [CLUSTER_READY, ROLLOUT, FINISHED, ROLLOUT, FINISHED];
    assert_eq!(steps(&twice), reload);
    assert_eq!(steps(&twice[..4]), reload[..2]);
    assert_eq!(steps(&[CLUSTER_READY, ROLLOUT, STOPPING]), ["STOPPING=1"]);
}

#[test]
fn a_slot_that_crashes_from_the_start_does_not_keep_the_others_from_being_ready() {
    let mut situation = Situation::new(LIMITS);
    let crash_loop = Decision::CrashLooping {
        slot: SlotId(1),
        deaths: 6,
        period: Duration::from_secs(60),
    };
    note(&mut situation, &[crash_loop]);
    assert_eq!(
        told(&mut situation, Some(&status(&[]))),
        ["STATUS=starting: 0 of 2 workers ready, slot 1 is crash-looping"]
    );
    note(&mut situation, &[ready(0)]);
    let messages = told(&mut situation, Some(&status(&[(0, 1)])));
    assert_eq!(
        messages,
        [
            "READY=1 STATUS=1 of 2 workers ready, generation 1, slot 1 is crash-looping \
             EXTEND_TIMEOUT_USEC=35000000"
        ]
    );
    note(&mut situation, &[ready(1), CLUSTER_READY]);
    assert_eq!(
        told(&mut situation, Some(&status(&[(0, 1), (1, 1)]))),
        ["STATUS=2 of 2 workers ready, generation 1"]
    );
}

fn timed_out(slot: u32) -> Decision {
    Decision::BootTimedOut {
        worker: WorkerId(u64::from(slot)),
        slot: SlotId(slot),
        timeout: LIMITS.boot,
    }
}

fn backing_off(failures: u32) -> Decision {
    Decision::BackingOff {
        slot: SlotId(1),
        failures,
        delay: Duration::from_secs(1),
    }
}

/// A worker of slot 1 that nobody had told to leave.
fn ended() -> Notice {
    Notice::Ended {
        worker: WorkerId(1),
        slot: SlotId(1),
        pid: 1,
        ending: Ending {
            code: Some(1),
            signal: None,
            out_of_memory: false,
            thread: None,
        },
        expected: false,
        last_lines: Vec::new(),
    }
}

#[test]
fn a_slot_that_is_not_ready_in_time_does_not_keep_the_others_from_being_ready() {
    let mut situation = Situation::new(LIMITS);
    note(&mut situation, &[ready(0)]);
    told(&mut situation, Some(&status(&[(0, 1)])));
    note(&mut situation, &[timed_out(1)]);
    assert_eq!(
        told(&mut situation, Some(&status(&[(0, 1)]))),
        ["READY=1 STATUS=1 of 2 workers ready, generation 1, slot 1 does not come up"]
    );
    note(&mut situation, &[ready(1)]);
    assert_eq!(
        told(&mut situation, Some(&status(&[(0, 1), (1, 1)]))),
        ["STATUS=2 of 2 workers ready, generation 1"]
    );
}

#[test]
fn a_slot_that_fails_slowly_has_three_attempts_each_with_its_time() {
    let mut situation = Situation::new(LIMITS);
    note(&mut situation, &[ready(0)]);
    told(&mut situation, Some(&status(&[(0, 1)])));
    situation.note(&ended());
    note(&mut situation, &[backing_off(2)]);
    assert_eq!(
        told(&mut situation, Some(&status(&[(0, 1)]))),
        ["EXTEND_TIMEOUT_USEC=35000000"]
    );
    note(&mut situation, &[backing_off(3)]);
    assert_eq!(
        told(&mut situation, Some(&status(&[(0, 1)]))),
        ["READY=1 STATUS=1 of 2 workers ready, generation 1, slot 1 does not come up"]
    );
}

#[test]
fn a_successor_that_is_not_ready_in_time_is_no_trouble_of_its_slot() {
    let mut situation = running();
    let both = status(&[(0, 1), (1, 1)]);
    note(&mut situation, &[timed_out(0)]);
    assert_eq!(told(&mut situation, Some(&both)), [""; 0]);
    assert_eq!(
        told(&mut situation, Some(&status(&[(1, 1)]))),
        ["STATUS=1 of 2 workers ready, generation 1"]
    );
}

#[test]
fn a_rollout_is_a_reload() {
    let mut situation = running();
    note(&mut situation, &[ROLLOUT]);
    let messages = told(&mut situation, Some(&status(&[(0, 1), (1, 1)])));
    assert_eq!(
        messages,
        [
            "RELOADING=1 MONOTONIC_USEC STATUS=rolling out generation 2: 0 of 2 \
             EXTEND_TIMEOUT_USEC=96000000"
        ]
    );
    note(&mut situation, &[ready(0)]);
    let messages = told(&mut situation, Some(&status(&[(0, 1), (0, 2), (1, 1)])));
    assert_eq!(
        messages,
        ["STATUS=rolling out generation 2: 1 of 2 EXTEND_TIMEOUT_USEC=96000000"]
    );
    note(&mut situation, &[FINISHED]);
    let messages = told(&mut situation, Some(&status(&[(0, 2), (1, 2)])));
    assert_eq!(
        messages,
        ["READY=1 STATUS=2 of 2 workers ready, generation 1"]
    );
}

#[test]
fn a_rollout_that_aborts_ends_the_reload_and_says_so() {
    let mut situation = running();
    let both = status(&[(0, 1), (1, 1)]);
    note(&mut situation, &[ROLLOUT]);
    told(&mut situation, Some(&both));
    situation.note(&aborted());
    assert_eq!(
        told(&mut situation, Some(&both)),
        [
            "READY=1 STATUS=2 of 2 workers ready, generation 1, rollout to generation 2 aborted, \
             rolling back"
        ]
    );
    let back = Decision::RolledBack {
        generation: Generation(1),
        took: Duration::ZERO,
        slots: 0,
    };
    note(&mut situation, &[back]);
    assert_eq!(
        told(&mut situation, Some(&both)),
        ["STATUS=2 of 2 workers ready, generation 1, rollout to generation 2 aborted"]
    );
}

#[test]
fn a_restart_asked_for_during_a_rollout_belongs_to_the_same_reload() {
    let mut situation = running();
    let both = status(&[(0, 1), (1, 1)]);
    note(&mut situation, &[ROLLOUT]);
    told(&mut situation, Some(&both));
    note(&mut situation, &[Decision::RestartCoalesced]);
    let messages = told(&mut situation, Some(&both));
    assert!(
        messages[0].starts_with("RELOADING=1 MONOTONIC_USEC"),
        "{messages:?}"
    );
    note(&mut situation, &[FINISHED, ROLLOUT]);
    let messages = told(&mut situation, Some(&both));
    assert!(
        messages.len() == 1 && messages[0].starts_with("RELOADING=1"),
        "{messages:?}"
    );
    note(&mut situation, &[FINISHED]);
    let messages = told(&mut situation, Some(&both));
    assert!(messages[0].starts_with("READY=1"), "{messages:?}");
}

#[test]
fn stopping_is_said_once_and_nothing_is_ready_afterwards() {
    let mut situation = running();
    let both = status(&[(0, 1), (1, 1)]);
    let leaving = Decision::Leaving {
        delay: Duration::from_secs(10),
    };
    note(&mut situation, &[leaving]);
    assert_eq!(
        told(&mut situation, Some(&both)),
        ["STOPPING=1 STATUS=leaving: 2 of 2 workers ready EXTEND_TIMEOUT_USEC=75000000"]
    );
    note(&mut situation, &[Decision::RestartRefused, STOPPING]);
    assert_eq!(
        told(&mut situation, Some(&both)),
        ["STATUS=draining: 2 workers left EXTEND_TIMEOUT_USEC=65000000"]
    );
    note(&mut situation, &[CLUSTER_READY, FINISHED]);
    let forced = Decision::Stopping {
        reason: ExitReason::Forced,
    };
    note(&mut situation, &[forced]);
    assert_eq!(
        told(&mut situation, None),
        ["STATUS=stopping by force EXTEND_TIMEOUT_USEC=5000000"]
    );
}

#[test]
fn a_cluster_that_gives_up_was_never_ready() {
    let mut situation = Situation::new(LIMITS);
    let gave_up = Decision::Stopping {
        reason: ExitReason::NeverReady,
    };
    note(&mut situation, &[gave_up]);
    assert_eq!(
        told(&mut situation, None),
        ["STOPPING=1 STATUS=giving up, no worker was ever ready EXTEND_TIMEOUT_USEC=5000000"]
    );
}

#[test]
fn what_nobody_reads_is_bounded_and_ends_with_the_newest() {
    let mut situation = running();
    let both = status(&[(0, 1), (1, 1)]);
    for _ in 0..1000 {
        note(&mut situation, &[ROLLOUT]);
        situation.look(Some(&both));
        note(&mut situation, &[FINISHED]);
        situation.look(Some(&both));
    }
    let messages = told(&mut situation, Some(&both));
    assert_eq!(messages.len(), MOST_WAITING);
    assert!(messages[MOST_WAITING - 1].starts_with("READY=1"));
}
