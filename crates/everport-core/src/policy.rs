//! How the supervisor supervises: limits, delays and choices, valid by construction of their values.

use core::time::Duration;

/// Everything the supervisor is told once, at its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// How long a worker may take to be ready, from when it exists, and how long one that has not settled yet may be
    /// stopped. Default 30 s.
    pub boot_timeout: Duration,
    /// How long a new worker must stay ready before a rollout moves on. Default 1 s.
    pub settle: Duration,
    /// How many workers beyond `n` may be booting or ready during a rollout. At least 1; default 1.
    pub surge: u32,
    /// How long a worker may drain before it is killed. Default 30 s.
    pub drain_timeout: Duration,
    /// How long a worker may be silent before it is killed; zero: for ever. One that has not settled yet, or
    /// has yet to take its slot over in a rollout, has no longer than the boot timeout. Default 30 s.
    pub hang_timeout: Duration,
    /// How long the workers go on serving once a graceful stop was asked for, so that a load balancer can
    /// notice that they are leaving. Without effect where none is ready, and on every other end. Default zero.
    pub drain_delay: Duration,
    /// How long a worker may live before it is replaced. Each gets up to a tenth less, so that those that
    /// were started together are not replaced together. Default: for ever.
    pub max_lifetime: Option<Duration>,
    /// The delays between a slot's spawn attempts.
    pub backoff: Backoff,
    /// When a slot counts as crash-looping.
    pub budget: Budget,
    /// After how many failed attempts of *every* slot a cluster of which no worker was ever ready gives
    /// up. Default 5.
    pub attempts_until_never_ready: u32,
    /// What a crash-looping slot leads to once a generation has been ready. Default: back off for ever.
    pub crash_loop: CrashLoop,
}

/// Exponential back-off: the first retry comes at once, the next after `base`, doubling up to `cap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The delay before the second retry. Default 100 ms.
    pub base: Duration,
    /// The longest delay. Default 30 s.
    pub cap: Duration,
    /// A worker that stayed ready for this long resets its slot's back-off. Default 60 s.
    pub reset_after: Duration,
}

/// *More than* `intensity` deaths of a slot within `period` make it crash-looping (after OTP's supervisor).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Deaths that are still tolerated. Default 5.
    pub intensity: u32,
    /// The window they are counted in. Default 60 s.
    pub period: Duration,
}

/// What to do about a slot that exceeds its budget once a generation has been ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashLoop {
    /// Keep trying with back-off, for ever.
    BackOff,
    /// Stop the cluster gracefully and exit with [`crate::ExitReason::CrashLoop`], unless the slot still has a
    /// ready worker: one whose successor keeps failing goes on.
    Exit,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            boot_timeout: Duration::from_secs(30),
            settle: Duration::from_secs(1),
            surge: 1,
            drain_timeout: Duration::from_secs(30),
            hang_timeout: Duration::from_secs(30),
            drain_delay: Duration::ZERO,
            max_lifetime: None,
            backoff: Backoff::default(),
            budget: Budget::default(),
            attempts_until_never_ready: 5,
            crash_loop: CrashLoop::BackOff,
        }
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            base: Duration::from_millis(100),
            cap: Duration::from_secs(30),
            reset_after: Duration::from_secs(60),
        }
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            intensity: 5,
            period: Duration::from_secs(60),
        }
    }
}
