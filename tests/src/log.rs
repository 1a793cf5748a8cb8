//! The cluster's log as the tests see it: lines that arrive, and waits for them.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::PATIENCE;

/// The lines a program has printed so far.
#[derive(Debug, Clone, Default)]
pub struct Log {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    /// When each line arrived.
    arrivals: Vec<Instant>,
    ended: usize,
}

impl Shared {
    /// A test that fails while it waits has not changed anything.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    /// Reads lines on a thread of its own until the stream ends.
    pub fn follow(&self, stream: impl Read + Send + 'static) {
        let shared = Arc::clone(&self.shared);
        std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while reader
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let arrival = Instant::now();
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                let mut state = shared.lock();
                state.lines.push(text);
                state.arrivals.push(arrival);
                drop(state);
                shared.changed.notify_all();
            }
            shared.lock().ended += 1;
            shared.changed.notify_all();
        });
    }

    /// How many lines there are; a place to wait from.
    #[must_use]
    pub fn position(&self) -> usize {
        self.shared.lock().lines.len()
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.shared.lock().lines.clone()
    }

    /// The lines that contain a text.
    #[must_use]
    pub fn matching(&self, text: &str) -> Vec<String> {
        self.lines()
            .into_iter()
            .filter(|line| line.contains(text))
            .collect()
    }

    /// Waits for a line that contains the text, wherever it is in the log.
    ///
    /// # Panics
    /// When it does not come in time; prints the log.
    pub fn wait_for(&self, text: &str) -> String {
        self.wait_after(0, text)
    }

    /// Waits for such a line at or after a position.
    ///
    /// # Panics
    /// When it does not come in time; prints the log.
    pub fn wait_after(&self, position: usize, text: &str) -> String {
        let index = self.wait_for_index(position, text, |line| line.contains(text));
        self.shared.lock().lines[index].clone()
    }

    /// Waits for a line of which something is so.
    ///
    /// # Panics
    /// When it does not come in time; prints the log.
    pub fn wait_for_line(&self, what: &str, is_it: impl Fn(&str) -> bool) -> String {
        let index = self.wait_for_index(0, what, is_it);
        self.shared.lock().lines[index].clone()
    }

    /// When each line at or after a position that contains the text arrived, so far.
    #[must_use]
    pub fn arrivals_since(&self, position: usize, text: &str) -> Vec<Instant> {
        let state = self.shared.lock();
        let arrived = state.lines.iter().zip(&state.arrivals).skip(position);
        arrived
            .filter(|(line, _)| line.contains(text))
            .map(|(_, arrival)| *arrival)
            .collect()
    }

    /// Waits for such a line and says when it arrived, which is a little after it was written.
    ///
    /// # Panics
    /// When it does not come in time; prints the log.
    pub fn arrival_after(&self, position: usize, text: &str) -> Instant {
        let index = self.wait_for_index(position, text, |line| line.contains(text));
        self.shared.lock().arrivals[index]
    }

    /// Waits until so many lines contain the text.
    ///
    /// # Panics
    /// When they do not come in time; prints the log.
    pub fn wait_for_many(&self, count: usize, text: &str) {
        self.wait_until(&format!("{count} × {text}"), |lines| {
            (lines.iter().filter(|line| line.contains(text)).count() >= count).then_some(())
        });
    }

    /// Waits until every stream has ended.
    ///
    /// # Panics
    /// When they do not end in time; prints the log.
    pub fn wait_for_end(&self, streams: usize) {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        while state.ended < streams {
            state = self.wait_a_moment(state, deadline, "the end of the log");
        }
    }

    /// Waits until the lines satisfy a condition.
    ///
    /// # Panics
    /// When they do not in time; prints the log.
    pub fn wait_until<T>(
        &self,
        what: &str,
        mut condition: impl FnMut(&[String]) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.shared.lock();
        loop {
            if let Some(found) = condition(&state.lines) {
                return found;
            }
            state = self.wait_a_moment(state, deadline, what);
        }
    }

    /// Which line it is, at or after a position. Looks at each line once: nothing is read meanwhile, and a log can be long.
    fn wait_for_index(&self, position: usize, what: &str, is_it: impl Fn(&str) -> bool) -> usize {
        let mut next = position;
        self.wait_until(what, |lines| {
            let index = lines.get(next..)?.iter().position(|line| is_it(line));
            let found = index.map(|index| next + index);
            next = lines.len();
            found
        })
    }

    fn wait_a_moment<'a>(
        &self,
        state: MutexGuard<'a, State>,
        deadline: Instant,
        what: &str,
    ) -> MutexGuard<'a, State> {
        let left = deadline.saturating_duration_since(Instant::now());
        assert!(
            !left.is_zero(),
            "waited in vain for: {what}\n{}",
            state.lines.join("\n")
        );
        self.shared
            .changed
            .wait_timeout(state, left)
            .unwrap_or_else(PoisonError::into_inner)
            .0
    }
}
