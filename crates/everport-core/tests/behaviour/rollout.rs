//! Rolling restarts, their abort, and the way back.

use everport_core::{
    AbortCause, Action, DrainReason, Event, Generation, Notice, Pending, Policy, PortId, SlotId,
    WorkerId,
};

use crate::driver::{Driver, HTTP, at_once, drain, kill, ms, s, spawn, steer};

const ROLLOUT: DrainReason = DrainReason::Rollout;

/// Two slots, the first moved to generation 2 by worker 3, the second about to follow with worker 4.
fn half_way() -> Driver {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Restart);
    driver.boot(3);
    driver.dies(1);
    driver.forget();
    driver
}

fn aborted(slot: u32, worker: u64, cause: AbortCause, moved: u32) -> Notice {
    Notice::RolloutAborted {
        generation: Generation(2),
        back_to: Generation(1),
        slot: SlotId(slot),
        worker: WorkerId(worker),
        cause,
        moved,
    }
}

#[test]
fn slot_by_slot_the_new_worker_is_ready_and_settled_before_the_old_one_drains() {
    let mut driver = Driver::ready(Policy::default(), 2);
    driver.event(Event::Restart);
    driver.expect(&[spawn(3, 0, 2)]);
    driver.boot(3);
    driver.expect(&[steer(&[(0, 3), (1, 2)])]);
    driver.pass(ms(999));
    driver.expect(&[]);
    driver.pass(ms(1));
    // The next slot does not wait for the first one's drain to end.
    driver.expect(&[drain(1, ROLLOUT), spawn(4, 1, 2)]);
    driver.boot(4);
    driver.pass(s(1));
    driver.expect(&[steer(&[(0, 3), (1, 4)]), drain(2, ROLLOUT)]);
    driver.expect_notice(&Notice::RolloutFinished {
        generation: Generation(2),
        took: s(2),
    });
    driver.dies(1);
    driver.dies(2);
    assert_eq!(driver.supervisor.pending(), None);
    assert_eq!(driver.supervisor.status().generation, Generation(2));
}

#[test]
fn surge_many_slots_are_moved_at_once() {
    let mut driver = Driver::ready(
        Policy {
            surge: 3,
            ..at_once()
        },
        4,
    );
    driver.event(Event::Restart);
    driver.expect(&[spawn(5, 0, 2), spawn(6, 1, 2), spawn(7, 2, 2)]);
    driver.boot(6);
    driver.expect(&[
        steer(&[(0, 1), (1, 6), (2, 3), (3, 4)]),
        drain(2, ROLLOUT),
        spawn(8, 3, 2),
    ]);
}

#[test]
fn a_stop_of_the_new_worker_starts_its_settling_over() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    driver.forget();
    driver.pass(ms(900));
    driver.event(Event::Suspended {
        worker: WorkerId(2),
    });
    driver.pass(s(5));
    driver.event(Event::Resumed {
        worker: WorkerId(2),
    });
    driver.pass(ms(900));
    driver.expect_besides_steering(&[]);
    driver.pass(ms(100));
    driver.expect_besides_steering(&[drain(1, ROLLOUT)]);
}

#[test]
fn a_rollout_waits_at_a_slot_whose_predecessor_still_drains() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    driver.event(Event::Restart);
    driver.forget();
    driver.pass(s(29));
    driver.expect(&[]);
    driver.dies(1);
    driver.expect(&[spawn(3, 0, 3)]);
}

#[test]
fn restarts_during_a_restart_become_exactly_one_more() {
    let mut driver = Driver::ready(at_once(), 1);
    for _ in 0..4 {
        driver.event(Event::Restart);
    }
    assert_eq!(
        driver
            .notices
            .iter()
            .filter(|notice| **notice == Notice::RestartCoalesced)
            .count(),
        3
    );
    driver.boot(2);
    driver.dies(1);
    driver.boot(3);
    driver.dies(2);
    assert_eq!(driver.supervisor.pending(), None);
    assert_eq!(driver.supervisor.status().generation, Generation(3));
}

#[test]
fn an_aborted_rollout_keeps_every_old_worker() {
    let mut driver = Driver::ready(Policy::default(), 3);
    driver.event(Event::Restart);
    driver.event(Event::Spawned {
        worker: WorkerId(4),
    });
    driver.forget();
    driver.dies(4);
    driver.expect(&[]);
    driver.expect_notice(&aborted(0, 4, AbortCause::DiedBooting, 0));
    driver.expect_notice(&Notice::RolledBack {
        generation: Generation(1),
        took: ms(0),
        slots: 0,
    });
    assert_eq!(driver.supervisor.pending(), None);
}

#[test]
fn a_new_worker_that_is_not_ready_in_time_aborts_the_rollout() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    driver.forget();
    driver.pass(s(30));
    driver.expect(&[kill(2)]);
    driver.expect_notice(&aborted(0, 2, AbortCause::BootTimedOut, 0));
}

#[test]
fn a_new_worker_that_cannot_be_spawned_aborts_the_rollout() {
    let mut driver = half_way();
    driver.event(Event::SpawnFailed {
        worker: WorkerId(4),
    });
    driver.expect_notice(&aborted(1, 4, AbortCause::SpawnFailed, 1));
}

#[test]
fn slots_already_moved_return_ready_first() {
    let mut driver = half_way();
    driver.dies(4);
    driver.expect(&[spawn(5, 0, 1)]);
    assert_eq!(
        driver.supervisor.pending(),
        Some(Pending::RollingBack(Generation(1)))
    );
    driver.boot(5);
    driver.expect(&[steer(&[(0, 5), (1, 2)]), drain(3, ROLLOUT)]);
    driver.expect_notice(&Notice::RolledBack {
        generation: Generation(1),
        took: ms(0),
        slots: 1,
    });
}

#[test]
fn a_moved_worker_that_dies_before_the_end_aborts_and_its_slot_is_filled_with_the_old_generation() {
    let mut driver = half_way();
    driver.event(Event::Spawned {
        worker: WorkerId(4),
    });
    driver.dies(3);
    driver.expect_notice(&aborted(0, 3, AbortCause::DiedReady, 1));
    driver.expect_besides_steering(&[drain(4, ROLLOUT), spawn(5, 0, 1)]);
}

#[test]
fn a_new_worker_that_leaves_by_itself_aborts_the_rollout() {
    let mut driver = half_way();
    driver.event(Event::Leaving {
        worker: WorkerId(3),
    });
    driver.expect_notice(&aborted(0, 3, AbortCause::DiedReady, 1));
}

#[test]
fn the_way_back_does_not_abort_when_an_old_worker_fails() {
    let mut driver = half_way();
    driver.dies(4);
    driver.event(Event::SpawnFailed {
        worker: WorkerId(5),
    });
    driver.event(Event::SpawnFailed {
        worker: WorkerId(6),
    });
    driver.pass(s(1));
    driver.expect(&[spawn(5, 0, 1), spawn(6, 0, 1), spawn(7, 0, 1)]);
    driver.boot(7);
    driver.expect(&[steer(&[(0, 7), (1, 2)]), drain(3, ROLLOUT)]);
}

#[test]
fn a_restart_asked_for_on_the_way_back_starts_when_it_ends_with_a_number_of_its_own() {
    let mut driver = half_way();
    driver.dies(4);
    driver.event(Event::Restart);
    driver.expect_notice(&Notice::RestartCoalesced);
    driver.boot(5);
    driver.expect_notice(&Notice::RolloutStarted {
        generation: Generation(3),
        from: Generation(1),
    });
}

#[test]
fn a_way_back_that_keeps_failing_gives_way_to_a_restart() {
    let mut driver = half_way();
    driver.dies(4);
    driver.event(Event::Restart);
    driver.event(Event::SpawnFailed {
        worker: WorkerId(5),
    });
    driver.forget();
    // Worker 3 of generation 2 still serves there, and the old generation fails again.
    driver.event(Event::SpawnFailed {
        worker: WorkerId(6),
    });
    driver.expect_notice(&Notice::RolloutStarted {
        generation: Generation(3),
        from: Generation(1),
    });
    driver.expect(&[spawn(7, 0, 3)]);
}

#[test]
fn an_old_worker_that_dies_while_the_new_one_boots_is_started_again() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Restart);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    driver.forget();
    driver.dies(1);
    driver.expect(&[spawn(3, 0, 1)]);
    driver.boot(2);
    // It was not even there yet when the new one was ready.
    driver.expect_besides_steering(&[kill(3)]);
}

#[test]
fn a_slot_in_back_off_is_filled_with_the_new_generation() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.dies(1);
    driver.dies(2);
    driver.forget();
    driver.event(Event::Restart);
    driver.expect(&[spawn(3, 0, 2)]);
    driver.boot(3);
    driver.expect_notice(&Notice::RolloutFinished {
        generation: Generation(2),
        took: ms(0),
    });
}

#[test]
fn a_port_the_new_generation_does_not_want_is_closed_before_the_last_old_worker_drains() {
    let mut driver = Driver::ready(at_once(), 1);
    let admin = PortId(1);
    driver.event(Event::Listening {
        worker: WorkerId(1),
        port: admin,
    });
    driver.event(Event::Restart);
    driver.forget();
    driver.boot(2);
    let steer = steer(&[(0, 2)]);
    driver.expect(&[Action::ClosePort { port: admin }, steer, drain(1, ROLLOUT)]);
}

#[test]
fn a_rollback_into_a_crash_loop_closes_no_port() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    driver.dies(1);
    driver.event(Event::Restart);
    driver.boot(3);
    driver.dies(3);
    driver.dies(2);
    for worker in 4..8 {
        driver.event(Event::SpawnFailed {
            worker: WorkerId(worker),
        });
        driver.pass(s(31));
    }
    let closed = Action::ClosePort { port: HTTP };
    assert!(!driver.decided().contains(&closed));
}
