//! Workers that run and do not answer.

use everport_core::{
    AbortCause, Action, DrainReason, Event, Generation, Notice, Pending, Policy, ReplaceCause,
    SlotId, WorkerId,
};

use crate::driver::{Driver, at_once, drain, goes_on, kill, ms, s, spawn, steer, stops};

const ROLLOUT: DrainReason = DrainReason::Rollout;

fn falls_silent(driver: &mut Driver, worker: u64) {
    driver.event(Event::Silent {
        worker: WorkerId(worker),
    });
}

fn is_heard(driver: &mut Driver, worker: u64) {
    driver.event(Event::Heard {
        worker: WorkerId(worker),
    });
}

fn hung(worker: u64, slot: u32, seconds: u64) -> Notice {
    Notice::HangTimedOut {
        worker: WorkerId(worker),
        slot: SlotId(slot),
        timeout: s(seconds),
    }
}

fn aborted(worker: u64, slot: u32, moved: u32) -> Notice {
    Notice::RolloutAborted {
        generation: Generation(2),
        back_to: Generation(1),
        slot: SlotId(slot),
        worker: WorkerId(worker),
        cause: AbortCause::Hung,
        moved,
    }
}

fn hangs_after(seconds: u64) -> Policy {
    Policy {
        hang_timeout: s(seconds),
        ..Policy::default()
    }
}

#[test]
fn a_silent_worker_is_steered_away_from_and_back_once_it_is_heard() {
    let mut driver = Driver::ready(at_once(), 2);
    falls_silent(&mut driver, 1);
    driver.expect(&[steer(&[(1, 2)])]);
    assert_eq!(
        driver.supervisor.pending(),
        Some(Pending::SlotNotReady(SlotId(0)))
    );
    let silent = |driver: &Driver| driver.supervisor.status().workers[0].silent;
    assert!(silent(&driver));
    is_heard(&mut driver, 1);
    driver.expect(&[steer(&[(0, 1), (1, 2)])]);
    assert!(!silent(&driver));
    driver.pass(s(3600));
    driver.expect(&[]);
}

#[test]
fn while_all_are_silent_the_last_steering_stays() {
    let mut driver = Driver::ready(at_once(), 2);
    falls_silent(&mut driver, 1);
    driver.forget();
    falls_silent(&mut driver, 2);
    is_heard(&mut driver, 2);
    driver.expect(&[]);
}

#[test]
fn a_worker_silent_for_the_hang_timeout_is_killed_and_replaced_at_once() {
    let mut driver = Driver::ready(hangs_after(10), 2);
    falls_silent(&mut driver, 1);
    assert!(driver.supervisor.is_impatient());
    driver.forget();
    driver.pass(ms(9_999));
    driver.expect(&[]);
    driver.pass(ms(1));
    // Its successor does not wait until it is gone.
    driver.expect(&[kill(1), spawn(3, 0, 1)]);
    driver.expect_notice(&hung(1, 0, 10));
    driver.dies(1);
    driver.expect(&[]);
}

#[test]
fn a_hung_worker_is_a_death_of_its_slot() {
    let mut driver = Driver::ready(hangs_after(10), 1);
    falls_silent(&mut driver, 1);
    driver.pass(s(10));
    driver.dies(1);
    driver.boot(2);
    driver.pass(s(1));
    falls_silent(&mut driver, 2);
    driver.forget();
    driver.pass(s(10));
    driver.expect(&[kill(2)]);
    let backs_off = |notice: &Notice| matches!(notice, Notice::BackingOff { failures: 2, .. });
    assert!(driver.notices.iter().any(backs_off));
    driver.dies(2);
    driver.pass(ms(100));
    driver.expect(&[spawn(3, 0, 1)]);
}

#[test]
fn more_than_five_hung_workers_in_the_period_are_a_crash_loop() {
    let mut driver = Driver::ready(hangs_after(1), 1);
    for worker in 1..=6 {
        driver.pass(s(2));
        falls_silent(&mut driver, worker);
        driver.pass(s(1));
        driver.dies(worker);
        driver.pass(s(2));
        driver.boot(worker + 1);
    }
    driver.expect_notice(&Notice::CrashLooping {
        slot: SlotId(0),
        deaths: 6,
        period: s(60),
    });
}

#[test]
fn a_worker_heard_in_time_is_not_killed() {
    let mut driver = Driver::ready(hangs_after(10), 1);
    for _ in 0..5 {
        falls_silent(&mut driver, 1);
        driver.pass(ms(9_999));
        is_heard(&mut driver, 1);
    }
    assert!(!driver.supervisor.is_impatient());
    driver.pass(s(3600));
    driver.expect(&[]);
}

#[test]
fn silence_said_twice_is_one_silence() {
    let mut driver = Driver::ready(hangs_after(10), 1);
    falls_silent(&mut driver, 1);
    driver.pass(s(6));
    falls_silent(&mut driver, 1);
    driver.pass(s(4));
    driver.expect(&[kill(1), spawn(2, 0, 1)]);
}

#[test]
fn being_heard_without_silence_is_nothing() {
    let mut driver = Driver::ready(at_once(), 1);
    is_heard(&mut driver, 1);
    driver.expect(&[]);
    assert_eq!(driver.notices, []);
}

#[test]
fn without_a_hang_timeout_a_settled_worker_may_be_silent_for_ever() {
    let mut driver = Driver::ready(hangs_after(0), 1);
    falls_silent(&mut driver, 1);
    assert!(!driver.supervisor.is_impatient());
    driver.pass(s(3600));
    driver.expect(&[]);
}

#[test]
fn a_silent_newcomer_aborts_its_rollout_after_the_shorter_of_boot_and_hang_timeout() {
    for (hang, limit) in [(0, 30), (10, 10), (60, 30)] {
        let mut driver = Driver::ready(hangs_after(hang), 1);
        driver.event(Event::Restart);
        driver.boot(2);
        falls_silent(&mut driver, 2);
        driver.forget();
        driver.pass(s(limit) - ms(1));
        driver.expect(&[]);
        driver.pass(ms(1));
        driver.expect(&[kill(2)]);
        driver.expect_notice(&hung(2, 0, limit));
        driver.expect_notice(&aborted(2, 0, 0));
        driver.dies(2);
        driver.expect(&[]);
        assert_eq!(driver.supervisor.pending(), None);
    }
}

#[test]
fn a_moved_worker_that_hangs_before_the_end_aborts_its_rollout() {
    let mut driver = Driver::ready(hangs_after(10), 2);
    driver.event(Event::Restart);
    driver.boot(3);
    driver.pass(s(1));
    driver.dies(1);
    falls_silent(&mut driver, 3);
    driver.forget();
    driver.pass(s(10));
    driver.expect_besides_steering(&[kill(3), kill(4), spawn(5, 0, 1)]);
    driver.expect_notice(&aborted(3, 0, 1));
}

#[test]
fn a_silent_successor_is_a_failed_attempt_and_the_old_one_stays() {
    let mut driver = Driver::ready(hangs_after(10), 1);
    driver.event(Event::ReplaceRequested {
        worker: WorkerId(1),
        cause: ReplaceCause::Asked,
    });
    driver.boot(2);
    falls_silent(&mut driver, 2);
    driver.forget();
    driver.pass(s(10));
    driver.expect(&[kill(2)]);
    driver.expect_notice(&hung(2, 0, 10));
    driver.dies(2);
    driver.expect(&[spawn(3, 0, 1)]);
}

#[test]
fn nobody_makes_way_for_a_silent_worker() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Restart);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    falls_silent(&mut driver, 2);
    driver.boot(2);
    driver.expect(&[spawn(2, 0, 2)]);
    is_heard(&mut driver, 2);
    driver.expect(&[steer(&[(0, 2)]), drain(1, ROLLOUT)]);
}

#[test]
fn a_silence_does_not_start_settling_anew() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    driver.pass(ms(400));
    falls_silent(&mut driver, 2);
    driver.pass(ms(500));
    is_heard(&mut driver, 2);
    driver.forget();
    driver.pass(ms(99));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[drain(1, ROLLOUT)]);
}

#[test]
fn one_that_is_silent_when_its_settle_time_is_over_settles_once_it_is_heard() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    driver.pass(ms(999));
    falls_silent(&mut driver, 2);
    driver.forget();
    driver.pass(s(5));
    driver.expect(&[]);
    is_heard(&mut driver, 2);
    driver.expect(&[steer(&[(0, 2)]), drain(1, ROLLOUT)]);
}

#[test]
fn a_silence_at_the_very_end_of_settling_comes_too_late_to_matter() {
    let mut driver = Driver::ready(hangs_after(0), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    driver.skip_turns(s(1));
    falls_silent(&mut driver, 2);
    driver.forget();
    is_heard(&mut driver, 2);
    driver.expect(&[steer(&[(0, 2)]), drain(1, ROLLOUT)]);
}

#[test]
fn one_that_is_stopped_and_silent_serves_once_it_is_neither() {
    for heard_first in [false, true] {
        let mut driver = Driver::ready(at_once(), 2);
        falls_silent(&mut driver, 1);
        stops(&mut driver, 1);
        driver.expect(&[steer(&[(1, 2)])]);
        if heard_first {
            is_heard(&mut driver, 1);
            driver.expect(&[]);
            goes_on(&mut driver, 1);
        } else {
            goes_on(&mut driver, 1);
            driver.expect(&[]);
            is_heard(&mut driver, 1);
        }
        driver.expect(&[steer(&[(0, 1), (1, 2)])]);
    }
}

#[test]
fn one_that_is_stopped_and_silent_settles_anew_once_it_is_resumed() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Restart);
    driver.boot(2);
    falls_silent(&mut driver, 2);
    driver.pass(s(2));
    stops(&mut driver, 2);
    is_heard(&mut driver, 2);
    goes_on(&mut driver, 2);
    driver.forget();
    driver.pass(ms(999));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[drain(1, ROLLOUT)]);
}

#[test]
fn the_silence_of_a_stopped_worker_counts_from_its_resumption() {
    let mut driver = Driver::ready(hangs_after(10), 1);
    falls_silent(&mut driver, 1);
    driver.pass(s(5));
    stops(&mut driver, 1);
    driver.pass(s(3600));
    goes_on(&mut driver, 1);
    driver.pass(ms(9_999));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[kill(1), spawn(2, 0, 1)]);
}

#[test]
fn silence_changes_nothing_for_a_worker_that_boots() {
    let mut driver = Driver::new(hangs_after(10), 1);
    driver.event(Event::Spawned {
        worker: WorkerId(1),
    });
    driver.forget();
    falls_silent(&mut driver, 1);
    driver.pass(ms(29_999));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[kill(1)]);
}

#[test]
fn the_silence_of_a_worker_that_booted_counts_from_its_readiness() {
    let mut driver = Driver::new(hangs_after(10), 1);
    driver.event(Event::Spawned {
        worker: WorkerId(1),
    });
    falls_silent(&mut driver, 1);
    driver.pass(s(20));
    driver.boot(1);
    driver.forget();
    driver.pass(ms(9_999));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[kill(1)]);
}

#[test]
fn a_silent_worker_that_drains_has_its_drain_deadline_only() {
    let mut driver = Driver::ready(hangs_after(10), 1);
    falls_silent(&mut driver, 1);
    driver.event(Event::Stop);
    driver.forget();
    falls_silent(&mut driver, 1);
    driver.pass(ms(29_999));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[kill(1)]);
}

#[test]
fn a_silent_worker_that_leaves_or_dies_is_killed_for_nothing_else() {
    let mut driver = Driver::ready(hangs_after(10), 2);
    falls_silent(&mut driver, 1);
    falls_silent(&mut driver, 2);
    driver.event(Event::Leaving {
        worker: WorkerId(1),
    });
    driver.dies(2);
    driver.boot(3);
    driver.boot(4);
    driver.forget();
    driver.pass(s(20));
    let kills = |action: &Action| matches!(action, Action::Kill { .. });
    assert!(!driver.decided().iter().any(kills));
}

/// Worker 2 of the new generation is ready and settled beside worker 3, which took the place of worker 1
/// while that one left. It has to wait for the end of worker 1 before worker 3 can be told to go.
fn settled_beside_an_old_worker(policy: Policy) -> Driver {
    let mut driver = Driver::ready(policy, 1);
    driver.event(Event::Restart);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    driver.event(Event::Leaving {
        worker: WorkerId(1),
    });
    driver.boot(3);
    driver.boot(2);
    falls_silent(&mut driver, 2);
    driver.dies(1);
    driver.forget();
    driver
}

#[test]
fn a_silent_worker_that_nobody_waits_for_any_more_has_as_long_as_any_other() {
    for (hang, killed) in [(0, false), (40, true)] {
        let mut driver = settled_beside_an_old_worker(Policy {
            hang_timeout: s(hang),
            ..at_once()
        });
        driver.dies(3);
        driver.forget();
        driver.pass(s(39));
        driver.expect(&[]);
        driver.pass(s(3600));
        assert_eq!(driver.decided().contains(&kill(2)), killed);
    }
}

#[test]
fn a_settled_worker_that_falls_silent_before_it_can_take_over_does_not_hold_up_the_rollout_for_ever()
 {
    let mut driver = settled_beside_an_old_worker(Policy {
        hang_timeout: s(0),
        ..at_once()
    });
    driver.pass(s(30));
    driver.expect(&[kill(2)]);
    driver.expect_notice(&hung(2, 0, 30));
    driver.expect_notice(&aborted(2, 0, 0));
}
