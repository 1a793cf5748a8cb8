//! Ports that workers give back while they go on.

use everport_core::{Action, DrainReason, Event, Policy, WorkerId};

use crate::driver::{Driver, HTTP, at_once, drain, spawn, steer};

const CLOSE: Action = Action::ClosePort { port: HTTP };
const ROLLOUT: DrainReason = DrainReason::Rollout;

fn gives_back(driver: &mut Driver, worker: u64) {
    driver.event(Event::Released {
        worker: WorkerId(worker),
        port: HTTP,
    });
}

fn listens(driver: &mut Driver, worker: u64) {
    driver.event(Event::Listening {
        worker: WorkerId(worker),
        port: HTTP,
    });
}

#[test]
fn a_port_that_every_worker_has_given_back_is_closed_once() {
    let mut driver = Driver::ready(at_once(), 2);
    gives_back(&mut driver, 1);
    driver.expect(&[steer(&[(1, 2)])]);
    gives_back(&mut driver, 2);
    driver.expect(&[CLOSE]);
    gives_back(&mut driver, 2);
    driver.expect(&[]);
}

#[test]
fn a_closed_port_that_is_asked_for_again_is_steered_and_closed_as_ever() {
    let mut driver = Driver::ready(at_once(), 1);
    gives_back(&mut driver, 1);
    driver.expect(&[CLOSE]);
    listens(&mut driver, 1);
    // To the same worker as before: the new socket knows nothing of that.
    driver.expect(&[steer(&[(0, 1)])]);
    gives_back(&mut driver, 1);
    driver.expect(&[CLOSE]);
}

#[test]
fn a_suspended_worker_keeps_its_port_open() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Suspended {
        worker: WorkerId(2),
    });
    driver.forget();
    gives_back(&mut driver, 1);
    driver.expect(&[]);
}

#[test]
fn a_booting_worker_that_has_asked_keeps_the_port_open() {
    let mut driver = Driver::new(at_once(), 2);
    driver.boot(1);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    listens(&mut driver, 2);
    driver.forget();
    gives_back(&mut driver, 1);
    driver.expect(&[]);
    gives_back(&mut driver, 2);
    driver.expect(&[CLOSE]);
}

#[test]
fn a_death_closes_no_port() {
    let mut driver = Driver::ready(at_once(), 2);
    gives_back(&mut driver, 1);
    driver.forget();
    driver.dies(2);
    driver.expect(&[spawn(3, 1, 1)]);
}

#[test]
fn a_draining_worker_that_gives_its_port_back_closes_nothing() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Leaving {
        worker: WorkerId(1),
    });
    driver.forget();
    gives_back(&mut driver, 1);
    driver.expect(&[]);
}

#[test]
fn a_draining_worker_does_not_keep_a_port_open() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    driver.forget();
    gives_back(&mut driver, 2);
    driver.expect(&[CLOSE]);
}

#[test]
fn a_stopping_cluster_closes_no_port_that_is_given_back() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Stop);
    driver.forget();
    gives_back(&mut driver, 1);
    driver.expect(&[]);
}

#[test]
fn a_port_the_new_generation_gives_back_stays_until_the_rollout_has_ended() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Restart);
    driver.boot(3);
    driver.forget();
    // Worker 2 of the old generation still serves it.
    gives_back(&mut driver, 3);
    driver.expect(&[steer(&[(1, 2)])]);
    driver.dies(1);
    driver.event(Event::Spawned {
        worker: WorkerId(4),
    });
    driver.event(Event::Ready {
        worker: WorkerId(4),
    });
    driver.expect(&[CLOSE, drain(2, ROLLOUT)]);
}

#[test]
fn a_port_given_back_during_a_rollout_is_not_closed_again_at_its_end() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    driver.forget();
    gives_back(&mut driver, 1);
    driver.expect(&[CLOSE]);
    // The new worker wants it: it is known again, and stays.
    driver.boot(2);
    driver.expect(&[steer(&[(0, 2)])]);
    driver.pass(Policy::default().settle);
    driver.expect(&[drain(1, ROLLOUT)]);
}
