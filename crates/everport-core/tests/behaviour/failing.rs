//! Deaths, back-off and the budget.

use core::time::Duration;

use everport_core::{
    Action, CrashLoop, DrainReason, Event, Exit, ExitReason, Notice, Policy, SlotId, WorkerId,
};

use crate::driver::{Driver, at_once, drain, kill, ms, s, spawn, steer};

/// Lets the newest worker of a cluster of one die again and again, and tells the delays between.
fn delays(driver: &mut Driver, first: u64, deaths: u64) -> Vec<Duration> {
    let died = (first..first + deaths).map(|worker| {
        driver.notices.clear();
        driver.dies(worker);
        let delay = driver.notices.iter().find_map(|notice| match notice {
            Notice::BackingOff { delay, .. } => Some(*delay),
            _ => None,
        });
        let delay = delay.unwrap_or_default();
        driver.pass(delay);
        delay
    });
    died.collect()
}

#[test]
fn the_first_retry_comes_at_once_then_delays_double_to_the_cap_with_jitter() {
    let mut driver = Driver::ready(Policy::default(), 1);
    let delays = delays(&mut driver, 1, 14);
    assert_eq!(delays[0], Duration::ZERO);
    for (doublings, delay) in delays[1..].iter().enumerate() {
        let nominal = ms(100 << doublings).min(s(30));
        assert!(
            *delay >= nominal / 2 && *delay <= nominal,
            "{delay:?} for {nominal:?}"
        );
    }
}

#[test]
fn no_attempt_comes_earlier_than_its_back_off_allows() {
    let mut driver = Driver::ready(Policy::default(), 1);
    delays(&mut driver, 1, 6);
    driver.dies(7);
    driver.forget();
    let delay = driver.next_deadline();
    driver.pass(delay - ms(1));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[spawn(8, 0, 1)]);
}

#[test]
fn leaving_with_success_unasked_is_a_death_too() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.event(Event::Exited {
        worker: WorkerId(1),
        exit: Exit::Success,
    });
    driver.expect(&[spawn(2, 0, 1)]);
}

#[test]
fn a_worker_that_stayed_ready_for_a_minute_resets_its_slot() {
    let mut driver = Driver::ready(Policy::default(), 1);
    delays(&mut driver, 1, 6);
    driver.boot(7);
    driver.pass(s(60));
    driver.forget();
    driver.dies(7);
    driver.expect(&[spawn(8, 0, 1)]);
}

#[test]
fn a_spawn_that_fails_backs_off_like_a_death() {
    let mut driver = Driver::ready(Policy::default(), 1);
    driver.dies(1);
    driver.event(Event::SpawnFailed {
        worker: WorkerId(2),
    });
    driver.expect(&[spawn(2, 0, 1)]);
    driver.pass(ms(100));
    driver.expect(&[spawn(3, 0, 1)]);
}

#[test]
fn more_than_five_deaths_in_a_minute_are_a_crash_loop_said_once() {
    let mut driver = Driver::ready(Policy::default(), 1);
    let said = Notice::CrashLooping {
        slot: SlotId(0),
        deaths: 6,
        period: s(60),
    };
    delays(&mut driver, 1, 5);
    assert!(!driver.notices.contains(&said));
    delays(&mut driver, 6, 1);
    driver.expect_notice(&said);
    driver.forget();
    delays(&mut driver, 7, 20);
    assert!(!driver.notices.contains(&said));
    assert!(!driver.decided().is_empty(), "it is tried for ever");
}

#[test]
fn a_crash_loop_ends_the_cluster_gracefully_when_the_policy_says_so() {
    let crash_loop = CrashLoop::Exit;
    let mut driver = Driver::ready(
        Policy {
            crash_loop,
            ..Policy::default()
        },
        2,
    );
    driver.dies(1);
    for worker in 3..=6 {
        driver.pass(s(5));
        driver.dies(worker);
    }
    driver.pass(s(5));
    driver.forget();
    driver.dies(7);
    driver.expect(&[drain(2, DrainReason::Stop)]);
    driver.dies(2);
    driver.expect(&[Action::Exit {
        reason: ExitReason::CrashLoop,
    }]);
}

#[test]
fn a_ready_worker_that_leaves_by_itself_is_replaced_at_once_and_has_its_drain_deadline() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Leaving {
        worker: WorkerId(1),
    });
    driver.expect(&[steer(&[(1, 2)]), spawn(3, 0, 1)]);
    driver.pass(s(29));
    driver.expect(&[]);
    driver.boot(3);
    driver.forget();
    driver.pass(s(1));
    driver.expect(&[kill(1)]);
    driver.dies(1);
    driver.expect(&[]);
}

#[test]
fn workers_that_leave_as_soon_as_they_are_ready_do_not_spin() {
    let mut driver = Driver::ready(at_once(), 1);
    let mut spawned = 0;
    for worker in 1..=8 {
        driver.event(Event::Leaving {
            worker: WorkerId(worker),
        });
        driver.dies(worker);
        spawned += driver.decided().len();
        driver.pass(s(8));
        driver.boot(worker + 1);
        driver.forget();
    }
    assert_eq!(
        spawned, 2,
        "without penalty, at once, and from then on with a delay"
    );
}

#[test]
fn a_booting_worker_that_leaves_is_a_failed_attempt() {
    let mut driver = Driver::new(Policy::default(), 1);
    driver.event(Event::Spawned {
        worker: WorkerId(1),
    });
    driver.forget();
    driver.event(Event::Leaving {
        worker: WorkerId(1),
    });
    driver.expect(&[kill(1)]);
    driver.dies(1);
    driver.expect(&[spawn(2, 0, 1)]);
    driver.event(Event::SpawnFailed {
        worker: WorkerId(2),
    });
    assert!(matches!(
        driver.notices[..],
        [Notice::BackingOff { failures: 2, .. }]
    ));
}
