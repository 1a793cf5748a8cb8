//! What a run is like: its policy, its size and its faults, drawn from the seed.

use core::time::Duration;

use everport_core::{Backoff, Budget, CrashLoop, Policy};

use crate::random::Random;

/// The options of one run. Faults are per cent; most runs have only some of them, so that one fault
/// cannot hide what another would show.
#[derive(Debug, Clone)]
pub(crate) struct Swarm {
    pub(crate) policy: Policy,
    pub(crate) workers: u32,
    pub(crate) events: u32,
    /// The shell may have others to start first.
    pub(crate) longest_spawn_ms: u64,
    pub(crate) longest_boot_ms: u64,
    pub(crate) between_commands_ms: u64,
    pub(crate) hopeless: bool,
    pub(crate) spawn_fails: u64,
    pub(crate) never_ready: u64,
    pub(crate) crashes_at_once: u64,
    pub(crate) crashes_later: u64,
    pub(crate) suspends: u64,
    pub(crate) falls_silent: u64,
    pub(crate) ignores_drain: u64,
    pub(crate) exits_late: u64,
    pub(crate) leaves: u64,
    pub(crate) gives_back: u64,
    pub(crate) asks_replacement: u64,
    pub(crate) bad_generation: u64,
    pub(crate) duplicates: u64,
    pub(crate) clock_steps: u64,
    pub(crate) restarts: u64,
    pub(crate) scales: u64,
    pub(crate) stops: u64,
    pub(crate) force_stops: u64,
}

impl Swarm {
    pub(crate) fn draw(random: &mut Random) -> Self {
        Self {
            policy: policy(random),
            workers: random.between(1, 6) as u32,
            events: random.between(100, 500) as u32,
            longest_spawn_ms: random.pick(&[2, 2, 50, 1_000]),
            longest_boot_ms: random.pick(&[1, 20, 300]),
            between_commands_ms: random.pick(&[20, 300, 3000]),
            hopeless: random.chance(4),
            spawn_fails: fault(random, 30),
            never_ready: fault(random, 30),
            crashes_at_once: fault(random, 40),
            crashes_later: fault(random, 60),
            suspends: fault(random, 40),
            falls_silent: fault(random, 60),
            ignores_drain: fault(random, 60),
            exits_late: fault(random, 60),
            leaves: fault(random, 40),
            gives_back: fault(random, 60),
            asks_replacement: fault(random, 40),
            bad_generation: fault(random, 60),
            duplicates: fault(random, 30),
            clock_steps: fault(random, 30),
            restarts: fault(random, 100),
            scales: fault(random, 60),
            stops: if random.chance(20) { 3 } else { 0 },
            force_stops: if random.chance(15) { 3 } else { 0 },
        }
    }
}

fn fault(random: &mut Random, most: u64) -> u64 {
    if random.chance(50) {
        random.between(1, most)
    } else {
        0
    }
}

fn policy(random: &mut Random) -> Policy {
    let ms = Duration::from_millis;
    Policy {
        hang_timeout: ms(random.pick(&[0, 100, 400, 2_000, 30_000])),
        drain_delay: ms(random.pick(&[0, 0, 50, 1_000, 5_000])),
        max_lifetime: random
            .pick(&[None, None, None, Some(20), Some(1_000), Some(60_000)])
            .map(ms),
        boot_timeout: ms(random.pick(&[100, 400, 5_000])),
        settle: ms(random.pick(&[0, 0, 50, 1_000])),
        surge: random.pick(&[0, 1, 1, 1, 2, 3]),
        drain_timeout: ms(random.pick(&[0, 50, 400, 3_000])),
        backoff: Backoff {
            base: ms(random.pick(&[0, 10, 100])),
            cap: ms(random.pick(&[100, 1_000, 30_000])),
            reset_after: ms(random.pick(&[0, 300, 2_000, 60_000])),
        },
        budget: Budget {
            intensity: random.pick(&[0, 1, 3, 5, 5]),
            period: ms(random.pick(&[1_000, 10_000, 60_000])),
        },
        attempts_until_never_ready: random.pick(&[0, 1, 3, 5, 5]),
        crash_loop: random.pick(&[
            CrashLoop::BackOff,
            CrashLoop::BackOff,
            CrashLoop::BackOff,
            CrashLoop::Exit,
        ]),
    }
}
