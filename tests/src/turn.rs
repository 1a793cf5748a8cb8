//! Load tests run one at a time, whatever runs the tests.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

/// Longer than all load tests together take.
const LONGEST_WAIT: Duration = Duration::from_secs(900);

/// Waits until no other load test runs; hold the result until the end of the test.
///
/// # Panics
/// When the lock file cannot be made, or somebody holds it for ever.
#[must_use]
pub fn take_turn() -> File {
    let path = std::env::temp_dir().join("everport-tests.turn");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    let file = file.expect("the temporary directory is writable");
    let deadline = Instant::now() + LONGEST_WAIT;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        assert!(
            Instant::now() < deadline,
            "somebody holds the load tests' turn for ever"
        );
        // Only how soon a free turn is seen depends on this, not whether.
        std::thread::sleep(Duration::from_millis(20));
    }
    file
}
