//! Load tests run one at a time, whatever runs the tests.

use std::fs::File;

use rustix::fs::{FlockOperation, flock};

/// Waits until no other load test runs; hold the result until the end of the test.
///
/// # Panics
/// When the lock file cannot be made.
#[must_use]
pub fn take_turn() -> File {
    let path = std::env::temp_dir().join("everport-tests.turn");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    let file = file.expect("the temporary directory is writable");
    flock(&file, FlockOperation::LockExclusive).expect("a lock on our own file");
    file
}
