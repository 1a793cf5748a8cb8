//! The drain delay: a stop that is announced before it happens.

use core::time::Duration;

use everport_core::{
    Action, CrashLoop, DrainReason, Event, ExitReason, Generation, Notice, Pending, Policy,
    ReplaceCause, WorkerId,
};

use crate::driver::{Driver, at_once, drain, kill, ms, s, spawn, steer};

const STOP: DrainReason = DrainReason::Stop;
const STOPPED: Action = Action::Exit {
    reason: ExitReason::Stopped,
};

fn waits_ten_seconds() -> Policy {
    Policy {
        drain_delay: s(10),
        hang_timeout: s(3),
        ..at_once()
    }
}

fn announce(worker: u64, delay: Duration) -> Action {
    Action::AnnounceLeaving {
        worker: WorkerId(worker),
        delay,
    }
}

/// A cluster that was asked to stop at this moment.
fn leaving(policy: Policy, workers: u32) -> Driver {
    let mut driver = Driver::ready(policy, workers);
    driver.event(Event::Stop);
    driver.forget();
    driver
}

#[test]
fn a_stop_is_announced_and_every_worker_goes_on_until_the_drain_delay_is_over() {
    let mut driver = Driver::ready(waits_ten_seconds(), 2);
    driver.event(Event::Stop);
    driver.expect(&[announce(1, s(10)), announce(2, s(10))]);
    assert_eq!(driver.notices, [Notice::Leaving { delay: s(10) }]);
    assert_eq!(driver.supervisor.pending(), Some(Pending::Leaving));
    let status = driver.supervisor.status();
    assert!(status.leaving && !status.stopping);
    driver.forget();
    driver.pass(ms(9_999));
    driver.expect(&[]);
    driver.pass(ms(1));
    driver.expect(&[drain(2, STOP), drain(1, STOP)]);
    driver.expect_notice(&Notice::Stopping {
        reason: ExitReason::Stopped,
    });
    let status = driver.supervisor.status();
    assert!(!status.leaving && status.stopping);
    driver.dies(1);
    driver.dies(2);
    driver.expect(&[STOPPED]);
}

#[test]
fn without_a_drain_delay_nothing_is_announced() {
    let mut driver = Driver::ready(at_once(), 1);
    driver.event(Event::Stop);
    driver.expect(&[drain(1, STOP)]);
}

#[test]
fn a_worker_that_dies_during_the_delay_is_replaced_and_its_successor_told_what_remains() {
    let mut driver = leaving(waits_ten_seconds(), 2);
    driver.pass(s(4));
    driver.dies(1);
    driver.expect(&[steer(&[(1, 2)]), spawn(3, 0, 1)]);
    driver.boot(3);
    driver.expect(&[announce(3, s(6)), steer(&[(0, 3), (1, 2)])]);
    driver.pass(s(6));
    driver.expect(&[drain(3, STOP), drain(2, STOP)]);
}

#[test]
fn a_worker_that_boots_is_told_once_as_soon_as_it_exists() {
    let mut driver = Driver::new(waits_ten_seconds(), 3);
    driver.boot(1);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    driver.forget();
    driver.event(Event::Stop);
    driver.expect(&[announce(1, s(10)), announce(2, s(10))]);
    driver.pass(s(3));
    driver.event(Event::Spawned {
        worker: WorkerId(3),
    });
    driver.expect(&[announce(3, s(7))]);
    driver.boot(2);
    driver.boot(3);
    driver.expect_besides_steering(&[]);
}

#[test]
fn one_that_still_boots_when_the_delay_is_over_is_drained() {
    let mut driver = leaving(waits_ten_seconds(), 1);
    driver.dies(1);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    driver.forget();
    driver.pass(s(10));
    driver.expect(&[drain(2, STOP)]);
}

#[test]
fn a_silent_worker_is_steered_away_from_and_killed_during_the_delay() {
    let mut driver = leaving(waits_ten_seconds(), 2);
    driver.event(Event::Silent {
        worker: WorkerId(1),
    });
    driver.expect(&[steer(&[(1, 2)])]);
    driver.pass(s(3));
    driver.expect(&[kill(1), spawn(3, 0, 1)]);
}

#[test]
fn restarts_scales_replacements_and_further_stops_change_nothing_during_the_delay() {
    let mut driver = leaving(waits_ten_seconds(), 2);
    driver.pass(s(5));
    driver.event(Event::Restart);
    driver.event(Event::Scale { workers: 5 });
    driver.event(Event::Scale { workers: 1 });
    driver.event(Event::ReplaceRequested {
        worker: WorkerId(1),
        cause: ReplaceCause::Asked,
    });
    driver.event(Event::Stop);
    driver.pass(ms(4_999));
    driver.expect(&[]);
    assert_eq!(driver.notices, [Notice::RestartRefused]);
    driver.pass(ms(1));
    driver.expect(&[drain(2, STOP), drain(1, STOP)]);
}

#[test]
fn a_replacement_under_way_goes_on_during_the_delay_and_is_not_tried_again() {
    for fails in [false, true] {
        let mut driver = Driver::ready(waits_ten_seconds(), 1);
        driver.event(Event::ReplaceRequested {
            worker: WorkerId(1),
            cause: ReplaceCause::Asked,
        });
        driver.event(Event::Stop);
        driver.forget();
        if fails {
            driver.dies(2);
            driver.pass(s(9));
            driver.expect(&[]);
        } else {
            driver.boot(2);
            driver.expect_besides_steering(&[announce(2, s(10)), drain(1, DrainReason::Replaced)]);
        }
    }
}

#[test]
fn a_rollout_that_runs_goes_on_during_the_delay_and_a_remembered_one_is_dropped() {
    let mut driver = Driver::ready(waits_ten_seconds(), 1);
    driver.event(Event::Restart);
    driver.event(Event::Restart);
    driver.event(Event::Stop);
    driver.forget();
    driver.pass(s(2));
    driver.boot(2);
    driver.expect(&[
        announce(2, s(8)),
        steer(&[(0, 2)]),
        drain(1, DrainReason::Rollout),
    ]);
    driver.dies(1);
    driver.pass(s(7));
    driver.expect(&[]);
    assert_eq!(driver.supervisor.status().generation, Generation(2));
    driver.pass(s(1));
    driver.expect(&[drain(2, STOP)]);
}

#[test]
fn a_rollout_that_fails_during_the_delay_is_rolled_back() {
    let mut driver = Driver::ready(waits_ten_seconds(), 1);
    driver.event(Event::Restart);
    driver.event(Event::Stop);
    driver.dies(2);
    driver.expect_notice(&Notice::RolledBack {
        generation: Generation(1),
        took: ms(0),
        slots: 0,
    });
}

#[test]
fn a_stop_during_which_the_rollout_still_runs_ends_it() {
    let mut driver = Driver::ready(waits_ten_seconds(), 1);
    driver.event(Event::Restart);
    driver.event(Event::Spawned {
        worker: WorkerId(2),
    });
    driver.event(Event::Stop);
    driver.forget();
    driver.pass(s(10));
    driver.expect(&[drain(2, STOP), drain(1, STOP)]);
}

#[test]
fn a_forced_stop_does_not_wait() {
    let mut driver = leaving(
        Policy {
            max_lifetime: Some(s(36_000)),
            ..waits_ten_seconds()
        },
        2,
    );
    driver.event(Event::ForceStop);
    driver.expect(&[kill(2), kill(1)]);
    assert_eq!(driver.supervisor.poll_timeout(), None);
    driver.dies(1);
    driver.dies(2);
    driver.expect(&[Action::Exit {
        reason: ExitReason::Forced,
    }]);
}

#[test]
fn a_stop_of_a_cluster_of_which_no_worker_is_ready_does_not_wait() {
    let mut driver = Driver::new(waits_ten_seconds(), 1);
    driver.event(Event::Spawned {
        worker: WorkerId(1),
    });
    driver.forget();
    driver.event(Event::Stop);
    driver.expect(&[drain(1, STOP)]);
}

#[test]
fn a_crash_loop_that_ends_the_cluster_does_not_wait() {
    for asked_before in [false, true] {
        let mut driver = Driver::ready(
            Policy {
                crash_loop: CrashLoop::Exit,
                drain_delay: s(3600),
                ..at_once()
            },
            2,
        );
        if asked_before {
            driver.event(Event::Stop);
        }
        driver.dies(1);
        for worker in 3..=6 {
            driver.pass(s(5));
            driver.dies(worker);
        }
        driver.pass(s(5));
        driver.forget();
        driver.dies(7);
        driver.expect(&[drain(2, STOP)]);
        driver.dies(2);
        driver.expect(&[Action::Exit {
            reason: ExitReason::CrashLoop,
        }]);
    }
}

#[test]
fn a_rollout_and_a_scale_down_drain_without_a_delay() {
    let mut driver = Driver::ready(waits_ten_seconds(), 2);
    driver.event(Event::Scale { workers: 1 });
    driver.expect_besides_steering(&[drain(2, DrainReason::ScaleDown)]);
    driver.dies(2);
    driver.event(Event::Restart);
    driver.boot(3);
    driver.expect_besides_steering(&[
        Action::CloseSlot {
            slot: everport_core::SlotId(1),
        },
        spawn(3, 0, 2),
        drain(1, DrainReason::Rollout),
    ]);
}
