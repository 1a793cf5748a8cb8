//! A sink that keeps what a watcher tells.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use everport::log::{Entry, Sink};

use crate::PATIENCE;

/// Keeps the texts of a watcher's notices.
#[derive(Debug, Default)]
pub struct Told(Mutex<Vec<String>>);

impl Told {
    /// The first line that contains the text, once there is one.
    ///
    /// # Panics
    /// When there is none in time.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(line) = self.lines().iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            assert!(Instant::now() < deadline, "not told: {text}");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }

    /// Every line so far.
    pub fn all(&self) -> Vec<String> {
        self.lines().clone()
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Told {
    fn write(&self, entry: Entry) {
        if let Entry::Notice(notice, _) = entry {
            self.lines().push(notice.to_string());
        }
    }
}
