//! Workers that ask to be replaced.

use everport_core::{DrainReason, Event, Notice, Pending, ReplaceCause, SlotId, WorkerId};

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
fn one_is_replaced_at_a_time() {
    let mut driver = Driver::ready(at_once(), 2);
    asks(&mut driver, 1);
    asks(&mut driver, 2);
    driver.expect(&[spawn(3, 0, 1)]);
    driver.boot(3);
    driver.expect_besides_steering(&[drain(1, REPLACED), spawn(4, 1, 1)]);
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
