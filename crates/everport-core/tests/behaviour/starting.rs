//! The first start, readiness and the boot deadline.

use everport_core::{
    Action, Event, ExitReason, Generation, Notice, Pending, Policy, ReplaceCause, SlotId, WorkerId,
};

use crate::driver::{Driver, at_once, kill, ms, s, spawn};

#[test]
fn every_slot_gets_a_worker_at_once() {
    let mut driver = Driver::new(Policy::default(), 3);
    driver.expect(&[spawn(1, 0, 1), spawn(2, 1, 1), spawn(3, 2, 1)]);
    assert_eq!(
        driver.supervisor.pending(),
        Some(Pending::SlotNotReady(SlotId(0)))
    );
}

#[test]
fn zero_workers_are_taken_as_one() {
    Driver::new(Policy::default(), 0).expect(&[spawn(1, 0, 1)]);
}

#[test]
fn the_cluster_is_ready_when_every_slot_is() {
    let mut driver = Driver::new(Policy::default(), 2);
    driver.pass(ms(30));
    driver.boot(1);
    driver.pass(ms(12));
    driver.boot(2);
    driver.expect_notice(&Notice::ClusterReady {
        workers: 2,
        took: ms(42),
    });
    assert_eq!(driver.supervisor.pending(), None);
}

#[test]
fn a_worker_not_ready_in_time_is_killed_and_tried_again() {
    let mut driver = Driver::new(Policy::default(), 2);
    driver.event(Event::Spawned {
        worker: WorkerId(1),
    });
    driver.boot(2);
    driver.forget();
    driver.pass(ms(29_999));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[kill(1)]);
    driver.expect_notice(&Notice::BootTimedOut {
        worker: WorkerId(1),
        slot: SlotId(0),
        timeout: s(30),
    });
    driver.dies(1);
    driver.expect(&[spawn(3, 0, 1)]);
}

#[test]
fn the_time_to_get_ready_begins_when_the_worker_exists() {
    let mut driver = Driver::new(Policy::default(), 1);
    driver.forget();
    driver.pass(s(20));
    let worker = WorkerId(1);
    driver.event(Event::Spawned { worker });
    driver.pass(s(29));
    driver.expect(&[]);
    driver.event(Event::Ready { worker });
    driver.expect_notice(&Notice::WorkerReady {
        worker,
        slot: SlotId(0),
        generation: Generation(1),
        boot: s(29),
    });
}

#[test]
fn a_worker_that_has_yet_to_be_started_has_not_failed_however_long_that_takes() {
    let mut driver = Driver::new(Policy::default(), 1);
    driver.forget();
    driver.pass(s(3600));
    driver.expect(&[]);
    let worker = WorkerId(1);
    driver.event(Event::Spawned { worker });
    driver.pass(s(30));
    driver.expect(&[kill(1)]);
}

#[test]
fn one_that_was_killed_before_it_existed_and_never_will_is_over() {
    let mut driver = Driver::new(Policy::default(), 1);
    driver.forget();
    driver.event(Event::ForceStop);
    driver.expect(&[kill(1)]);
    driver.event(Event::SpawnFailed {
        worker: WorkerId(1),
    });
    driver.expect(&[Action::Exit {
        reason: ExitReason::Forced,
    }]);
}

#[test]
fn a_worker_killed_before_it_existed_is_killed_again_once_it_does() {
    let mut driver = Driver::new(Policy::default(), 1);
    driver.event(Event::ForceStop);
    driver.forget();
    driver.event(Event::Spawned {
        worker: WorkerId(1),
    });
    driver.expect(&[kill(1)]);
}

#[test]
fn a_cluster_that_never_gets_ready_gives_up_after_five_attempts_of_every_slot() {
    let mut driver = Driver::new(Policy::default(), 2);
    for worker in [1, 3, 4, 5] {
        driver.event(Event::SpawnFailed {
            worker: WorkerId(worker),
        });
        driver.pass(s(1));
    }
    // Slot 0 has failed four times, and its fifth attempt is under way.
    for worker in [2, 7, 8, 9, 10] {
        driver.event(Event::SpawnFailed {
            worker: WorkerId(worker),
        });
        driver.pass(s(2));
    }
    assert!(
        !driver
            .decided()
            .iter()
            .any(|action| matches!(action, Action::Kill { .. }))
    );
    driver.event(Event::SpawnFailed {
        worker: WorkerId(6),
    });
    driver.expect_notice(&Notice::Stopping {
        reason: ExitReason::NeverReady,
    });
    // What still boots in slot 1 is killed first.
    driver.expect(&[kill(11)]);
    driver.event(Event::SpawnFailed {
        worker: WorkerId(11),
    });
    driver.expect(&[Action::Exit {
        reason: ExitReason::NeverReady,
    }]);
}

#[test]
fn one_ready_worker_is_enough_not_to_give_up() {
    let mut driver = Driver::new(at_once(), 1);
    driver.boot(1);
    for worker in 1..=20 {
        driver.dies(worker);
        driver.pass(s(31));
    }
    assert!(
        !driver
            .decided()
            .iter()
            .any(|action| matches!(action, Action::Exit { .. }))
    );
}

#[test]
fn events_about_workers_that_are_gone_or_never_were_change_nothing() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.dies(1);
    driver.forget();
    for worker in [1, 77].map(WorkerId) {
        driver.event(Event::Spawned { worker });
        driver.event(Event::SpawnFailed { worker });
        driver.event(Event::Ready { worker });
        driver.event(Event::Silent { worker });
        driver.event(Event::Heard { worker });
        driver.event(Event::Leaving { worker });
        driver.event(Event::ReplaceRequested {
            worker,
            cause: ReplaceCause::Asked,
        });
        driver.dies(worker.0);
    }
    driver.expect(&[]);
    assert_eq!(driver.notices, []);
}

#[test]
fn a_clock_that_steps_back_counts_as_no_time() {
    let mut driver = Driver::new(Policy::default(), 1);
    driver.pass(s(10));
    driver.step_clock_back(s(9));
    driver.boot(1);
    let boot = driver.notices.iter().find_map(|notice| match notice {
        Notice::WorkerReady { boot, .. } => Some(*boot),
        _ => None,
    });
    assert!(boot.is_some_and(|boot| boot < s(31)));
    driver.step_clock_back(s(50));
    driver.dies(1);
    assert_eq!(driver.decided().last(), Some(&spawn(2, 0, 1)));
}
