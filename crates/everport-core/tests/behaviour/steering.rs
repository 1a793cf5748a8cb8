//! Which slots new connections may go to.

use everport_core::{Event, PortId, WorkerId};

use crate::driver::{Driver, HTTP, at_once, spawn, steer};

#[test]
fn a_worker_that_listens_before_it_is_ready_serves_once_it_is() {
    let mut driver = Driver::new(at_once(), 1);
    let worker = WorkerId(1);
    driver.event(Event::Spawned { worker });
    driver.event(Event::Listening { worker, port: HTTP });
    driver.expect(&[spawn(1, 0, 1)]);
    driver.event(Event::Ready { worker });
    driver.expect(&[steer(&[(0, 1)])]);
}

#[test]
fn a_stopped_worker_is_steered_away_from_and_back() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Suspended {
        worker: WorkerId(1),
    });
    driver.expect(&[steer(&[(1, 2)])]);
    driver.event(Event::Resumed {
        worker: WorkerId(1),
    });
    driver.expect(&[steer(&[(0, 1), (1, 2)])]);
}

#[test]
fn while_nobody_serves_the_last_steering_stays() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Suspended {
        worker: WorkerId(1),
    });
    driver.event(Event::Resumed {
        worker: WorkerId(1),
    });
    driver.expect(&[]);
}

#[test]
fn a_death_is_steered_around_at_once_and_its_replacement_joins() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.dies(2);
    driver.expect(&[steer(&[(0, 1)]), spawn(3, 1, 1)]);
    driver.boot(3);
    driver.expect(&[steer(&[(0, 1), (1, 3)])]);
}

#[test]
fn a_port_given_back_is_not_served() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Released {
        worker: WorkerId(1),
        port: HTTP,
    });
    driver.expect(&[steer(&[(1, 2)])]);
    driver.event(Event::Released {
        worker: WorkerId(1),
        port: PortId(9),
    });
    driver.expect(&[]);
}
