//! Scaling.

use everport_core::{Action, DrainReason, Event, Generation, Notice, SlotId, WorkerId};

use crate::driver::{Driver, at_once, drain, spawn, steer};

const DOWN: DrainReason = DrainReason::ScaleDown;

fn scale(driver: &mut Driver, workers: u32) {
    driver.event(Event::Scale { workers });
}

#[test]
fn scaling_up_fills_new_slots() {
    let mut driver = Driver::ready(at_once(), 1);
    scale(&mut driver, 3);
    driver.expect(&[spawn(2, 1, 1), spawn(3, 2, 1)]);
    driver.expect_notice(&Notice::Scaled { from: 1, to: 3 });
}

#[test]
fn scaling_down_steers_away_then_drains_the_highest_slots_and_closes_them_in_the_end() {
    let mut driver = Driver::ready(at_once(), 4);
    scale(&mut driver, 2);
    driver.expect(&[steer(&[(0, 1), (1, 2)]), drain(4, DOWN), drain(3, DOWN)]);
    driver.dies(3);
    driver.expect(&[Action::CloseSlot { slot: SlotId(2) }]);
    driver.dies(4);
    driver.expect(&[Action::CloseSlot { slot: SlotId(3) }]);
    assert_eq!(driver.supervisor.pending(), None);
}

#[test]
fn a_slot_wanted_again_while_it_drains_is_not_closed() {
    let mut driver = Driver::ready(at_once(), 2);
    scale(&mut driver, 1);
    driver.forget();
    scale(&mut driver, 2);
    driver.expect(&[spawn(3, 1, 1)]);
    driver.dies(2);
    driver.expect(&[]);
}

#[test]
fn the_last_ready_worker_stays_until_a_staying_slot_is_ready() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.dies(1);
    driver.forget();
    scale(&mut driver, 1);
    driver.expect(&[]);
    driver.boot(3);
    driver.expect_besides_steering(&[drain(2, DOWN)]);
}

#[test]
fn a_scale_during_a_rollout_ends_with_the_last_count_on_the_new_generation() {
    let mut driver = Driver::ready(at_once(), 2);
    driver.event(Event::Restart);
    scale(&mut driver, 5);
    scale(&mut driver, 3);
    driver.event(Event::Spawned {
        worker: WorkerId(3),
    });
    for worker in 3..=12 {
        driver.boot(worker);
        let drained = driver
            .decided()
            .into_iter()
            .filter_map(|action| match action {
                Action::Drain { worker, .. } | Action::Kill { worker } => Some(worker.0),
                _ => None,
            });
        for worker in drained.collect::<Vec<_>>() {
            driver.dies(worker);
        }
    }
    let status = driver.supervisor.status();
    assert_eq!(driver.supervisor.pending(), None, "{status:#?}");
    assert_eq!(
        (status.workers.len(), status.generation),
        (3, Generation(2))
    );
    assert!(
        status
            .workers
            .iter()
            .all(|worker| worker.generation == Generation(2))
    );
}

#[test]
fn scaling_to_zero_is_scaling_to_one() {
    let mut driver = Driver::ready(at_once(), 2);
    scale(&mut driver, 0);
    driver.expect_notice(&Notice::Scaled { from: 2, to: 1 });
}
