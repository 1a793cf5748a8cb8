//! Tells `tracing` that what is logged has changed: it keeps an answer for each place that logs, one for the whole process.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use tracing_core::LevelFilter;
use tracing_core::callsite::rebuild_interest_cache;
use tracing_log::AsLog;

/// Held while `tracing` is told, so that the last change is the last that is told. Inside is whether the `log` crate's
/// records come to us, whose level then follows. A process has one of both, however many filters.
static TELLING: Mutex<bool> = Mutex::new(false);

/// The thread that tells, for all who must not wait.
static TELLER: Teller = Teller(Mutex::new(Stage::Absent));

/// One thread for all changes that come while it works.
struct Teller(Mutex<Stage>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Absent,
    /// It tells, and ends after that.
    Tells,
    /// Something has changed since it began: it tells once more.
    MustTellAgain,
}

/// Makes `tracing` forget what it knows about what is logged.
pub(super) fn tell() {
    let governs_log_crate = lock(&TELLING);
    rebuild_interest_cache();
    if *governs_log_crate {
        tracing_log::log::set_max_level(LevelFilter::current().as_log());
    }
}

/// The same, for a thread that must not wait: subscribers of the program's own are asked, too.
pub(super) fn tell_soon() {
    if !TELLER.is_wanted() {
        return;
    }
    let thread = thread::Builder::new().name("everport-log-level".to_owned());
    if thread.spawn(|| TELLER.work(tell)).is_err() {
        TELLER.work(tell);
    }
}

/// From now on the records of the `log` crate come to us, too.
pub(super) fn govern_log_crate() {
    *lock(&TELLING) = true;
    tell();
}

impl Teller {
    /// Something has changed: whether a thread is to be started for it.
    fn is_wanted(&self) -> bool {
        let mut stage = lock(&self.0);
        let is_absent = *stage == Stage::Absent;
        *stage = match is_absent {
            true => Stage::Tells,
            false => Stage::MustTellAgain,
        };
        is_absent
    }

    /// Tells until nothing has changed meanwhile. A subscriber that panics is the program's own, and ends none of it.
    fn work(&self, tell: impl Fn()) {
        loop {
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(
                &tell,
            )));
            let mut stage = lock(&self.0);
            if *stage == Stage::Tells {
                *stage = Stage::Absent;
                return;
            }
            *stage = Stage::Tells;
        }
    }
}

/// Plain values, which are valid whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn however_many_changes_come_while_it_is_told_it_is_told_once_more_by_the_same_thread() {
        let teller = Teller(Mutex::new(Stage::Absent));
        assert!(teller.is_wanted());
        let told = Cell::new(0);
        teller.work(|| {
            told.set(told.get() + 1);
            if told.get() == 1 {
                assert!((0..100).all(|_| !teller.is_wanted()));
            }
        });
        assert_eq!(told.get(), 2);
        assert!(teller.is_wanted(), "the next change needs a thread again");
    }

    #[test]
    fn a_subscriber_that_panics_keeps_no_later_change_from_being_told() {
        let teller = Teller(Mutex::new(Stage::Absent));
        assert!(teller.is_wanted());
        teller.work(|| panic!("a subscriber"));
        assert!(teller.is_wanted());
    }
}
