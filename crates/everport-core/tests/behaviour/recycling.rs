//! Workers that have lived for as long as one may.

use core::time::Duration;

use everport_core::{
    Action, CrashLoop, DrainReason, Event, ExitReason, Generation, Notice, Policy, ReplaceCause,
    WorkerId,
};

use crate::driver::{Driver, at_once, drain, ms, s, spawn};

const REPLACED: DrainReason = DrainReason::Replaced;

/// A cluster whose workers became ready at this moment and live for that long at most.
fn living_for(lifetime: Duration, workers: u32) -> Driver {
    let max_lifetime = Some(lifetime);
    let policy = Policy {
        max_lifetime,
        ..at_once()
    };
    let mut driver = Driver::new(policy, workers);
    for worker in 1..=u64::from(workers) {
        driver.boot(worker);
    }
    driver.forget();
    driver
}

/// Lets time pass with one turn at its end.
fn grows_older(driver: &mut Driver, duration: Duration) {
    driver.skip_turns(duration);
    driver.pass(Duration::ZERO);
}

/// Who began to be replaced, and why.
fn replaced(driver: &Driver) -> Vec<(u64, ReplaceCause)> {
    let replaced = driver.notices.iter().filter_map(|notice| match notice {
        Notice::ReplacementStarted { worker, cause, .. } => Some((worker.0, *cause)),
        _ => None,
    });
    replaced.collect()
}

/// The worker that was spawned since the last look.
fn newcomer(driver: &mut Driver) -> Option<u64> {
    let spawned = |action: &Action| match action {
        Action::Spawn { worker, .. } => Some(worker.0),
        _ => None,
    };
    driver.decided().iter().find_map(spawned)
}

#[test]
fn a_worker_that_has_lived_long_enough_is_replaced_ready_first() {
    let mut driver = living_for(s(1000), 1);
    driver.pass(s(900) - ms(1));
    driver.expect(&[]);
    let rest = driver.next_deadline();
    assert!(rest <= s(100) + ms(1));
    driver.pass(rest);
    driver.expect(&[spawn(2, 0, 1)]);
    assert_eq!(replaced(&driver), [(1, ReplaceCause::Lifetime)]);
    driver.pass(s(1));
    driver.boot(2);
    driver.expect_besides_steering(&[drain(1, REPLACED)]);
    driver.dies(1);
    driver.pass(s(900) - ms(1));
    driver.expect(&[]);
    grows_older(&mut driver, s(100) + ms(1));
    driver.expect(&[spawn(3, 0, 1)]);
}

#[test]
fn workers_that_were_started_together_are_not_replaced_together() {
    let mut driver = living_for(s(1000), 8);
    let mut moments = Vec::new();
    let mut passed = Duration::ZERO;
    while moments.len() < 8 {
        let step = driver.next_deadline();
        driver.pass(step);
        passed += step;
        if let Some(worker) = newcomer(&mut driver) {
            driver.boot(worker);
            moments.push(passed);
        }
    }
    assert!(moments[0] >= s(900) && moments[7] <= s(1000), "{moments:?}");
    assert!(moments[7] - moments[0] > s(50), "{moments:?}");
}

#[test]
fn two_that_have_lived_long_enough_are_replaced_one_after_the_other() {
    let mut driver = living_for(s(1000), 2);
    grows_older(&mut driver, s(1000));
    driver.expect(&[spawn(3, 0, 1)]);
    driver.boot(3);
    driver.expect_besides_steering(&[drain(1, REPLACED), spawn(4, 1, 1)]);
}

#[test]
fn nobody_is_replaced_for_age_during_a_rollout_nor_after_it_moved_the_slot() {
    let mut driver = living_for(s(1000), 2);
    driver.pass(s(890));
    driver.event(Event::Restart);
    driver.event(Event::Spawned {
        worker: WorkerId(3),
    });
    driver.pass(s(29));
    driver.boot(3);
    driver.event(Event::Spawned {
        worker: WorkerId(4),
    });
    // Worker 2 is past its lifetime somewhere in here.
    driver.dies(1);
    driver.pass(s(29));
    driver.boot(4);
    driver.dies(2);
    driver.pass(s(800));
    assert_eq!(replaced(&driver), []);
    assert_eq!(driver.supervisor.pending(), None);
}

#[test]
fn one_that_asked_before_its_time_came_keeps_its_cause() {
    let mut driver = living_for(s(1000), 1);
    driver.event(Event::Restart);
    driver.event(Event::ReplaceRequested {
        worker: WorkerId(1),
        cause: ReplaceCause::Connections,
    });
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    driver.skip_turns(s(1001));
    driver.dies(2);
    driver.pass(s(1));
    assert_eq!(replaced(&driver), [(1, ReplaceCause::Connections)]);
}

#[test]
fn a_successor_that_does_not_come_up_is_tried_again_with_back_off_and_the_old_one_goes_on() {
    let mut driver = living_for(s(1000), 1);
    grows_older(&mut driver, s(1000));
    driver.forget();
    driver.dies(2);
    driver.expect(&[spawn(3, 0, 1)]);
    driver.dies(3);
    driver.expect(&[]);
    driver.pass(ms(100));
    driver.expect(&[spawn(4, 0, 1)]);
    driver.boot(4);
    driver.expect_besides_steering(&[drain(1, REPLACED)]);
}

#[test]
fn a_successor_that_never_comes_up_does_not_end_a_cluster_that_ends_with_a_crash_loop() {
    let mut driver = Driver::ready(
        Policy {
            crash_loop: CrashLoop::Exit,
            ..at_once()
        },
        1,
    );
    let (worker, cause) = (WorkerId(1), ReplaceCause::Memory);
    driver.event(Event::ReplaceRequested { worker, cause });
    for successor in 2..=20 {
        driver.dies(successor);
        driver.pass(s(1));
    }
    assert_eq!(driver.supervisor.status().workers[0].worker, worker);
    let said = |notice: &Notice| matches!(notice, Notice::CrashLooping { .. });
    assert!(driver.notices.iter().any(said));
    driver.forget();
    driver.dies(1);
    driver.expect_notice(&Notice::Stopping {
        reason: ExitReason::CrashLoop,
    });
}

#[test]
fn a_lifetime_shorter_than_replacing_takes_replaces_one_worker_after_the_other_in_turn() {
    let mut driver = living_for(ms(1), 3);
    for turn in 0..30 {
        grows_older(&mut driver, s(1));
        let worker = newcomer(&mut driver).expect("somebody is always being replaced");
        driver.boot(worker);
        driver.dies(worker - 3);
        assert_eq!(driver.supervisor.status().workers.len(), 4, "turn {turn}");
    }
    let in_turn: Vec<_> = replaced(&driver)
        .iter()
        .map(|(worker, _)| *worker)
        .collect();
    assert_eq!(in_turn, (1..=31).collect::<Vec<_>>());
}

#[test]
fn a_lifetime_shorter_than_replacing_takes_does_not_hold_up_a_rollout() {
    let mut driver = living_for(ms(1), 3);
    driver.pass(s(1));
    driver.event(Event::Restart);
    for worker in 4..=7 {
        driver.boot(worker);
        driver.pass(s(1));
        for old in 1..worker {
            let status = driver.supervisor.status();
            let goes = |known: &everport_core::WorkerStatus| {
                known.worker.0 == old && known.state == everport_core::WorkerState::Draining
            };
            if status.workers.iter().any(goes) {
                driver.dies(old);
            }
        }
    }
    assert_eq!(driver.supervisor.status().generation, Generation(2));
}
