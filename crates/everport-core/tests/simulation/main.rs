//! The proof: a seeded world of failing workers drives the supervisor, and an independent checker that
//! knows nothing but its inputs and outputs asserts what must always hold.
//!
//! `EVERPORT_SIM_SEED=n` runs one seed, `EVERPORT_SIM_RUNS=n` that many of them.

mod checker;
mod coverage;
mod model;
mod random;
mod swarm;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use coverage::Coverage;
use world::World;

const RUNS: u64 = 1000; // about 150,000 events, a few seconds in a debug build

#[test]
fn whatever_happens_what_must_hold_holds_and_the_cluster_converges() {
    let mut coverage = Coverage::default();
    if let Some(seed) = number("EVERPORT_SIM_SEED") {
        run(seed, &mut coverage);
        return;
    }
    let runs = number("EVERPORT_SIM_RUNS").unwrap_or(RUNS);
    for seed in 0..runs {
        run(seed, &mut coverage);
    }
    if runs >= RUNS {
        assert!(
            coverage.events >= 100_000,
            "only {} events",
            coverage.events
        );
        coverage.assert_complete();
    }
    println!("{coverage:#?}");
}

fn run(seed: u64, coverage: &mut Coverage) {
    let mut world = World::new(seed);
    let result = catch_unwind(AssertUnwindSafe(|| world.run()));
    if result.is_err() {
        world.print_trace();
        panic!("the simulation failed: EVERPORT_SIM_SEED={seed}, {world}");
    }
    coverage.add(world.coverage());
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}")),
    )
}
