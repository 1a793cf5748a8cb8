//! Load tests that look at times run alone, those that only count run beside each other, whatever runs the tests.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::process::geteuid;

/// Longer than all load tests together take.
const LONGEST_WAIT: Duration = Duration::from_secs(1800);

/// Waits until no other load test runs; hold the result until the end of the test. For tests that look at how long
/// something takes, and for those that need a port for themselves.
///
/// # Panics
/// When the lock file cannot be made, or somebody holds it for ever.
#[must_use]
pub fn take_turn() -> File {
    wait_for(FlockOperation::NonBlockingLockExclusive)
}

/// Waits until no load test runs that has to be alone; hold the result until the end of the test. For tests under load
/// that only count: what else runs makes them slower, and nothing else.
///
/// # Panics
/// When the lock file cannot be made, or somebody holds it for ever.
#[must_use]
pub fn share_turn() -> File {
    wait_for(FlockOperation::NonBlockingLockShared)
}

fn wait_for(turn: FlockOperation) -> File {
    let file = lock_file();
    let deadline = Instant::now() + LONGEST_WAIT;
    while flock(&file, turn).is_err() {
        assert!(
            Instant::now() < deadline,
            "somebody holds the load tests' turn for ever"
        );
        // Only how soon a free turn is seen depends on this, not whether.
        std::thread::sleep(Duration::from_millis(20));
    }
    file
}

/// Each user has one: another user's could not be opened.
fn lock_file() -> File {
    let name = format!("everport-tests.{}.turn", geteuid().as_raw());
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(std::env::temp_dir().join(name));
    file.expect("the temporary directory is writable")
}
