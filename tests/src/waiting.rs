//! Waiting for what nobody announces.

use std::time::{Duration, Instant};

/// How long a test waits for an event before it fails: far longer than any event takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Looks again and again until something is so.
///
/// # Panics
/// When it is not so in time.
#[track_caller]
pub fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
