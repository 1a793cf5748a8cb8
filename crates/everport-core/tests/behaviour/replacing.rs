//! Workers that ask to be replaced.

use everport_core::{DrainReason, Event, Notice, Pending, Policy, ReplaceCause, SlotId, WorkerId};

use crate::driver::{Driver, at_once, drain, ms, s, spawn, steer};

const REPLACED: DrainReason = DrainReason::Replaced;

fn asks(driver: &mut Driver, worker: u64) {
    driver.event(Event::ReplaceRequested {
        worker: WorkerId(worker),
        cause: ReplaceCause::Asked,
    });
}

#[test]
fn a_worker_that_asks_is_replaced_ready_first_by_its_own_generation() {
    let mut driver = Driver::ready(at_once(), 2);
    asks(&mut driver, 1);
    driver.expect(&[spawn(3, 0, 1)]);
    driver.expect_notice(&Notice::ReplacementStarted {
        worker: WorkerId(1),
        slot: SlotId(0),
        cause: ReplaceCause::Asked,
    });
    assert_eq!(
        driver.supervisor.pending(),
        Some(Pending::Replacement(WorkerId(1)))
    );
    driver.boot(3);
    driver.expect(&[steer(&[(0, 3), (1, 2)]), drain(1, REPLACED)]);
}

#[test]
fn one_is_replaced_at_a_time_however_large_the_surge() {
    for surge in [1, 3] {
        let mut driver = Driver::ready(Policy { surge, ..at_once() }, 2);
        asks(&mut driver, 1);
        asks(&mut driver, 2);
        driver.expect(&[spawn(3, 0, 1)]);
        driver.boot(3);
        driver.expect_besides_steering(&[drain(1, REPLACED), spawn(4, 1, 1)]);
    }
}

#[test]
fn a_successor_that_fails_is_tried_again_with_back_off_and_the_old_one_stays() {
    let mut driver = Driver::ready(at_once(), 1);
    asks(&mut driver, 1);
    driver.event(Event::SpawnFailed {
        worker: WorkerId(2),
    });
    driver.event(Event::SpawnFailed {
        worker: WorkerId(3),
    });
    driver.expect(&[spawn(2, 0, 1), spawn(3, 0, 1)]);
    driver.pass(ms(100));
    driver.expect(&[spawn(4, 0, 1)]);
    driver.boot(4);
    driver.expect_besides_steering(&[drain(1, REPLACED)]);
}

#[test]
fn a_request_during_a_rollout_is_void_once_its_slot_has_moved() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Restart);
    asks(&mut driver, 2);
    driver.expect(&[spawn(3, 0, 2)]);
    driver.boot(3);
    driver.boot(4);
    driver.dies(1);
    driver.dies(2);
    driver.pass(s(60));
    assert_eq!(driver.supervisor.pending(), None);
    assert_eq!(driver.supervisor.status().workers.len(), 2);
}

#[test]
fn a_request_during_a_rollout_is_met_after_its_abort() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Restart);
    asks(&mut driver, 1);
    driver.forget();
    driver.event(Event::SpawnFailed {
        worker: WorkerId(2),
    });
    driver.expect(&[spawn(3, 0, 1)]);
}

#[test]
fn the_first_cause_stays() {
    let mut driver = Driver::ready(at_once(), 2);
    asks(&mut driver, 2);
    let (worker, slot) = (WorkerId(1), SlotId(0));
    for cause in [ReplaceCause::Memory, ReplaceCause::Connections] {
        driver.event(Event::ReplaceRequested { worker, cause });
    }
    driver.boot(3);
    driver.expect_notice(&Notice::ReplacementStarted {
        worker,
        slot,
        cause: ReplaceCause::Memory,
    });
}

#[test]
fn no_replacement_starts_during_a_rollout_and_the_rollout_waits_for_one_that_has() {
    let mut driver = Driver::ready(at_once(), 2);
    asks(&mut driver, 1);
    asks(&mut driver, 2);
    driver.event(Event::Restart);
    driver.expect(&[spawn(3, 0, 1)]);
    driver.boot(3);
    driver.expect_besides_steering(&[drain(1, REPLACED)]);
    driver.dies(1);
    driver.expect(&[spawn(4, 0, 2)]);
    driver.boot(4);
    driver.expect_besides_steering(&[drain(3, DrainReason::Rollout), spawn(5, 1, 2)]);
    driver.boot(5);
    driver.expect_besides_steering(&[drain(2, DrainReason::Rollout)]);
}

#[test]
fn a_replacement_that_fails_during_a_rollout_is_not_tried_again_before_its_end() {
    let mut driver = Driver::ready(at_once(), 1);
    asks(&mut driver, 1);
    driver.event(Event::Restart);
    driver.forget();
    driver.dies(2);
    driver.expect(&[spawn(3, 0, 2)]);
    driver.pass(s(1));
    driver.boot(3);
    driver.expect_besides_steering(&[drain(1, DrainReason::Rollout)]);
    driver.dies(1);
    driver.pass(s(3600));
    driver.expect(&[]);
}

#[test]
fn no_replacement_starts_on_the_way_back_either() {
    let surge = 2;
    let mut driver = Driver::ready(Policy { surge, ..at_once() }, 2);
    driver.event(Event::Restart);
    driver.boot(3);
    driver.dies(1);
    driver.dies(4);
    driver.forget();
    asks(&mut driver, 2);
    driver.expect(&[]);
    driver.boot(5);
    driver.expect_besides_steering(&[drain(3, DrainReason::Rollout), spawn(6, 1, 1)]);
}
