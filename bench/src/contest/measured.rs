//! What a server did in a stretch of time, and what that cost it and the generator.

use std::ops::AddAssign;
use std::time::Duration;

/// Counts and times of one or more stretches.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Measured {
    /// Requests that ended while the clock ran.
    pub(crate) requests: u64,
    /// Requests that failed, those before and after included.
    pub(crate) failed: u64,
    pub(crate) took: Duration,
    /// The processor time of all of the server's processes.
    pub(crate) server: Duration,
    /// The generator's.
    pub(crate) generator: Duration,
}

impl Measured {
    /// Requests a second.
    pub(crate) fn throughput(&self) -> f64 {
        self.requests as f64 / self.took.as_secs_f64()
    }

    /// Microseconds of the server's processor time for each request.
    pub(crate) fn cost(&self) -> f64 {
        self.each(self.server)
    }

    /// Microseconds of the generator's processor time for each request.
    pub(crate) fn generator_cost(&self) -> f64 {
        self.each(self.generator)
    }

    /// How many cores the server kept busy.
    pub(crate) fn busy(&self) -> f64 {
        self.server.as_secs_f64() / self.took.as_secs_f64()
    }

    /// How many cores the generator kept busy: it has one thread, so that at 1 it is at its limit.
    pub(crate) fn generator_busy(&self) -> f64 {
        self.generator.as_secs_f64() / self.took.as_secs_f64()
    }

    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.requests as f64
    }
}

impl AddAssign for Measured {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.failed += other.failed;
        self.took += other.took;
        self.server += other.server;
        self.generator += other.generator;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stretches_add_up_before_they_are_divided() {
        let stretch = |requests, milliseconds| Measured {
            requests,
            failed: 1,
            took: Duration::from_millis(milliseconds),
            server: Duration::from_millis(milliseconds / 2),
            generator: Duration::from_millis(milliseconds),
        };
        let mut sum = stretch(1000, 100);
        sum += stretch(3000, 100);
        assert_eq!((sum.failed, sum.throughput()), (2, 20_000.0));
        assert_eq!((sum.cost(), sum.generator_cost()), (25.0, 50.0));
        assert_eq!((sum.busy(), sum.generator_busy()), (0.5, 1.0));
    }
}
