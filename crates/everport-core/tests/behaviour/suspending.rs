//! New workers that are stopped by a signal before they can be relied on.

use everport_core::{
    AbortCause, DrainReason, Event, Generation, Notice, Policy, ReplaceCause, SlotId, WorkerId,
};

use crate::driver::{Driver, at_once, drain, goes_on, kill, ms, s, spawn, stops};

const ROLLOUT: DrainReason = DrainReason::Rollout;

fn given_up(worker: u64, slot: u32) -> Notice {
    Notice::BootTimedOut {
        worker: WorkerId(worker),
        slot: SlotId(slot),
        timeout: s(30),
    }
}

fn aborted(worker: u64) -> Notice {
    Notice::RolloutAborted {
        generation: Generation(2),
        back_to: Generation(1),
        slot: SlotId(0),
        worker: WorkerId(worker),
        cause: AbortCause::BootTimedOut,
        moved: 0,
    }
}

#[test]
fn a_rollout_gives_up_a_new_worker_that_stops_before_it_has_settled() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    driver.pass(ms(500));
    stops(&mut driver, 2);
    driver.forget();
    driver.pass(ms(29_999));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[kill(2)]);
    driver.expect_notice(&given_up(2, 0));
    driver.expect_notice(&aborted(2));
    driver.dies(2);
    driver.expect(&[]);
    assert_eq!(driver.supervisor.pending(), None);
}

#[test]
fn a_restart_remembered_meanwhile_starts_after_the_abort() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    stops(&mut driver, 2);
    driver.event(Event::Restart);
    driver.pass(s(30));
    driver.forget();
    driver.dies(2);
    driver.expect(&[spawn(3, 0, 3)]);
}

#[test]
fn a_new_worker_that_is_ready_while_it_stands_still_has_its_deadline_too() {
    for policy in [Policy::default(), at_once()] {
        let mut driver = Driver::ready(policy, 1);
        driver.event(Event::Restart);
        driver.event(Event::Spawned {
            worker: WorkerId(2),
        });
        stops(&mut driver, 2);
        driver.pass(s(10));
        // What it said before it was stopped arrives late.
        driver.event(Event::Ready {
            worker: WorkerId(2),
        });
        driver.forget();
        driver.pass(ms(29_999));
        driver.expect(&[]);
        driver.pass(ms(1));
        driver.expect(&[kill(2)]);
        driver.expect_notice(&aborted(2));
    }
}

#[test]
fn a_stop_reported_twice_has_one_deadline() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    stops(&mut driver, 2);
    driver.pass(s(20));
    stops(&mut driver, 2);
    driver.forget();
    driver.pass(s(10));
    driver.expect(&[kill(2)]);
}

#[test]
fn a_worker_that_goes_on_in_time_settles_anew_and_is_not_killed() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    stops(&mut driver, 2);
    driver.pass(ms(29_999));
    goes_on(&mut driver, 2);
    driver.forget();
    driver.pass(ms(999));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[drain(1, ROLLOUT)]);
    driver.dies(1);
    driver.pass(s(100));
    driver.expect(&[]);
}

#[test]
fn a_successor_that_stops_before_it_has_settled_is_a_failed_attempt_and_the_old_one_stays() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::ReplaceRequested {
        worker: WorkerId(1),
        cause: ReplaceCause::Asked,
    });
    driver.boot(2);
    stops(&mut driver, 2);
    driver.forget();
    driver.pass(s(30));
    driver.expect(&[kill(2)]);
    driver.expect_notice(&given_up(2, 0));
    // The first retry comes at once, the second with its delay.
    driver.dies(2);
    driver.expect(&[spawn(3, 0, 1)]);
    driver.event(Event::SpawnFailed {
        worker: WorkerId(3),
    });
    assert!(
        driver
            .notices
            .iter()
            .any(|notice| matches!(notice, Notice::BackingOff { failures: 2, .. }))
    );
}

#[test]
fn a_first_worker_that_stops_before_it_has_settled_is_a_failed_attempt_too() {
    let mut driver = Driver::new(Policy::default(), 1);
    driver.boot(1);
    stops(&mut driver, 1);
    driver.forget();
    driver.pass(s(30));
    driver.expect(&[kill(1)]);
    driver.expect_notice(&given_up(1, 0));
    driver.dies(1);
    driver.expect(&[spawn(2, 0, 1)]);
}

#[test]
fn a_settled_worker_may_stand_still_for_ever() {
    for policy in [Policy::default(), at_once()] {
        let mut driver = Driver::new(policy, 1);
        driver.boot(1);
        driver.pass(policy.settle);
        stops(&mut driver, 1);
        driver.forget();
        driver.pass(s(3600));
        driver.expect(&[]);
    }
}

#[test]
fn a_stop_at_the_very_end_of_settling_comes_too_late_to_matter() {
    let mut driver = Driver::new(Policy::default(), 1);
    driver.boot(1);
    driver.skip_turns(s(1));
    stops(&mut driver, 1);
    driver.forget();
    driver.pass(s(3600));
    driver.expect(&[]);
}

/// Worker 2 of the new generation is ready and settled beside worker 3, which took the place of worker 1
/// while that one left. It has to wait for the end of worker 1 before worker 3 can be told to go.
fn settled_beside_an_old_worker() -> Driver {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Restart);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    driver.event(Event::Leaving {
        worker: WorkerId(1),
    });
    driver.boot(3);
    driver.boot(2);
    driver.forget();
    driver
}

#[test]
fn a_settled_worker_that_stops_before_it_can_take_over_does_not_hold_up_the_rollout_for_ever() {
    let mut driver = settled_beside_an_old_worker();
    stops(&mut driver, 2);
    driver.dies(1);
    driver.expect_besides_steering(&[]);
    driver.pass(s(30));
    driver.expect(&[kill(2)]);
    driver.expect_notice(&aborted(2));
}

#[test]
fn a_settled_worker_that_nobody_waits_for_any_more_is_left_alone() {
    let mut driver = settled_beside_an_old_worker();
    stops(&mut driver, 2);
    driver.dies(1);
    driver.dies(3);
    driver.forget();
    driver.pass(s(3600));
    driver.expect(&[]);
    assert_eq!(driver.supervisor.status().generation, Generation(2));
}
