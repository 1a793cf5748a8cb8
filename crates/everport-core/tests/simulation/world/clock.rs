//! True time, and the clock the shell reads.

use std::time::Duration;

use everport_core::Timestamp;

use super::{Planned, START, TURNS_AT_ONE_MOMENT, World};

impl World {
    pub(super) fn step_clock(&mut self) {
        let pause = self.random.millis(1, 500);
        self.plan_in(pause, Planned::ClockStep);
        if self.random.chance(self.swarm.clock_steps) {
            let step = self.random.millis(0, 3_000) as i64;
            self.clock_offset += if self.random.chance(50) { step } else { -step };
            // The clock of a test may not run below its start.
            self.clock_offset = self.clock_offset.max(-(START.as_nanos() as i64) / 2);
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        let shown = START.as_nanos() as i64 + self.time as i64 + self.clock_offset;
        Timestamp::from_duration(Duration::from_nanos(shown.max(0) as u64))
    }

    pub(super) fn true_time_of(&self, deadline: Timestamp) -> u64 {
        let shown = i64::try_from(deadline.since_start().as_nanos()).unwrap_or(i64::MAX);
        let start = START.as_nanos() as i64;
        (shown.saturating_sub(self.clock_offset) - start).max(0) as u64
    }

    pub(super) fn assert_no_spinning(&mut self) {
        let (moment, turns) = self.turns_at_one_moment;
        self.turns_at_one_moment = if moment == self.time {
            (moment, turns + 1)
        } else {
            (self.time, 0)
        };
        assert!(turns < TURNS_AT_ONE_MOMENT, "time stands still");
    }
}
