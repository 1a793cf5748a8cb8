//! The end: graceful and forced.

use everport_core::{Action, DrainReason, Event, ExitReason, Notice, Pending, SlotId, WorkerId};

use crate::driver::{Driver, at_once, drain, kill, s};

const STOP: DrainReason = DrainReason::Stop;
const STOPPED: Action = Action::Exit {
    reason: ExitReason::Stopped,
};
const FORCED: Action = Action::Exit {
    reason: ExitReason::Forced,
};

#[test]
fn a_stop_drains_everybody_latest_first_and_exits_when_all_are_gone() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Stop);
    driver.expect(&[drain(2, STOP), drain(1, STOP)]);
    assert_eq!(
        driver.supervisor.pending(),
        Some(Pending::Stopping(WorkerId(1)))
    );
    driver.dies(1);
    driver.expect(&[]);
    driver.dies(2);
    driver.expect(&[STOPPED]);
    assert_eq!(driver.supervisor.poll_timeout(), None);
}

#[test]
fn a_worker_still_there_at_the_drain_deadline_is_killed() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Stop);
    driver.forget();
    driver.pass(s(30));
    driver.expect(&[kill(1)]);
    driver.expect_notice(&Notice::DrainTimedOut {
        worker: WorkerId(1),
        slot: SlotId(0),
        timeout: s(30),
    });
}

#[test]
fn a_second_stop_that_is_forced_kills_everybody() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Stop);
    driver.forget();
    driver.event(Event::ForceStop);
    driver.expect(&[kill(2), kill(1)]);
    driver.dies(1);
    driver.dies(2);
    driver.expect(&[FORCED]);
}

#[test]
fn a_stop_wins_over_a_rollout() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Restart);
    driver.event(Event::Restart);
    driver.forget();
    driver.event(Event::Stop);
    // Worker 3 does not exist yet: there is nobody to tell.
    driver.expect(&[kill(3), drain(2, STOP), drain(1, STOP)]);
    driver.event(Event::Spawned {
        worker: WorkerId(3),
    });
    driver.expect(&[kill(3)]);
    for worker in 1..=3 {
        driver.dies(worker);
    }
    driver.expect(&[STOPPED]);
}

#[test]
fn a_stop_while_every_slot_is_in_back_off_exits_at_once() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.dies(1);
    driver.dies(2);
    driver.forget();
    driver.event(Event::Stop);
    driver.expect(&[STOPPED]);
}

#[test]
fn nothing_comes_after_the_exit() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::ForceStop);
    driver.dies(1);
    driver.forget();
    driver.event(Event::Restart);
    driver.event(Event::Scale { workers: 4 });
    driver.event(Event::ForceStop);
    driver.pass(s(100));
    driver.expect(&[]);
    assert_eq!(driver.notices, []);
}
