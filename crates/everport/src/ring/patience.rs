//! Who may wait for the log, and for how long.

use std::cell::Cell;
use std::time::Duration;

/// How long a log may take nothing before it is waited for no longer: much less than anybody lets a worker hang.
pub(super) const STANDSTILL: Duration = Duration::from_secs(1);

/// How long a thread that must not wait tries to get its turn. Another thread that copies a record is faster.
pub(super) const BRIEF: Duration = Duration::from_millis(5);

thread_local! {
    static NEVER_WAITS: Cell<bool> = const { Cell::new(false) };
}

/// From now on this thread does not wait for the log, whatever the ring's user has wished: others wait for it.
pub(crate) fn never_wait_here() {
    NEVER_WAITS.set(true);
}

/// Whether this thread may wait.
pub(super) fn may_wait_here() -> bool {
    !NEVER_WAITS.get()
}
