//! What waits to be written: bounded in bytes, so that a stuck reader costs entries and never memory.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::{Entry, Level, Sink};

/// How much may wait, in bytes: a reader may pause for a while, a watcher stays small.
pub(super) const CAPACITY: usize = 8 * 1024 * 1024;

/// A share of the capacity that only notices may use, so that a flooding worker cannot displace them.
const FOR_NOTICES: usize = 8;

/// How much the writer takes out at once, in bytes.
const BATCH: usize = 64 * 1024;

/// What the queue's own memory may keep when it is empty, in items.
const KEPT_CAPACITY: usize = 256;

/// Something to write.
#[derive(Debug)]
pub(super) enum Item {
    /// An entry, and when it came.
    Entry(SystemTime, Entry),
    /// So many entries are missing here.
    Lost(u64),
}

/// Entries between the watcher's loop, which never waits, and the thread that writes them.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
    least: Level,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    bytes: usize,
    life: Life,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Life {
    /// Takes entries.
    #[default]
    Open,
    /// Takes no more; what is there is still written.
    Closing,
    /// Everything is written.
    Written,
}

impl Queue {
    /// A queue for entries that matter at least as much as `least`.
    pub(super) fn new(least: Level, capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            capacity,
            least,
        }
    }

    /// Waits for items and moves some of them to `batch`, oldest first. `false` when the queue is closed
    /// and empty.
    pub(super) fn take(&self, batch: &mut Vec<Item>) -> bool {
        let state = self.lock();
        let mut state = self
            .changed
            .wait_while(state, |state| {
                state.items.is_empty() && state.life == Life::Open
            })
            .unwrap_or_else(PoisonError::into_inner);
        let mut left = BATCH;
        while left > 0 {
            let Some(item) = state.items.pop_front() else {
                state.items.shrink_to(KEPT_CAPACITY);
                break;
            };
            let bytes = item.bytes();
            state.bytes -= bytes;
            left = left.saturating_sub(bytes);
            batch.push(item);
        }
        !batch.is_empty()
    }

    /// Takes no more entries.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.life == Life::Open {
            state.life = Life::Closing;
        }
        self.changed.notify_all();
    }

    /// Says that everything is written, and that the thread is gone.
    pub(super) fn written(&self) {
        self.lock().life = Life::Written;
        self.changed.notify_all();
    }

    /// Waits until everything is written, at most for `limit`; whether it is.
    pub(super) fn wait_written(&self, limit: Duration) -> bool {
        let state = self.lock();
        let (state, _) = self
            .changed
            .wait_timeout_while(state, limit, |state| state.life != Life::Written)
            .unwrap_or_else(PoisonError::into_inner);
        state.life == Life::Written
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that can panic runs under the lock; a poisoned queue is still a queue.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Queue {
    fn write(&self, entry: Entry) {
        if entry.level() > self.least {
            return;
        }
        let limit = match entry {
            Entry::Notice(..) | Entry::Lost(_) => self.capacity,
            Entry::Line(_) | Entry::Records(_) => self.capacity - self.capacity / FOR_NOTICES,
        };
        let item = Item::Entry(SystemTime::now(), entry);
        let mut state = self.lock();
        if state.life != Life::Open {
            return;
        }
        let was_empty = state.items.is_empty();
        state.push(item, limit);
        drop(state);
        if was_empty {
            self.changed.notify_all();
        }
    }
}

impl State {
    fn push(&mut self, item: Item, limit: usize) {
        let bytes = item.bytes();
        if self.bytes + bytes <= limit {
            self.bytes += bytes;
            self.items.push_back(item);
        } else if let Some(Item::Lost(count)) = self.items.back_mut() {
            *count += 1;
        } else {
            let lost = Item::Lost(1);
            self.bytes += lost.bytes();
            self.items.push_back(lost);
        }
    }
}

impl Item {
    /// What it costs while it waits.
    fn bytes(&self) -> usize {
        let text = match self {
            Self::Entry(_, Entry::Line(line)) => line.text.len(),
            Self::Entry(_, Entry::Records(records)) => records.size(),
            Self::Entry(_, Entry::Notice(..)) => 256, // the longest text of most notices
            Self::Entry(_, Entry::Lost(_)) => 0,
            Self::Lost(_) => 0,
        };
        size_of::<Self>() + text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{Line, Notice, Source, Stream};
    use crate::{Generation, SlotId, WorkerId};

    fn line(text: &str) -> Entry {
        Entry::Line(Line {
            source: Source {
                worker: WorkerId(1),
                slot: SlotId(0),
                generation: Generation(1),
                pid: 4711,
            },
            stream: Stream::Stdout,
            text: text.to_owned(),
            continues: false,
        })
    }

    fn coalesced() -> Entry {
        let notice = Notice::Supervisor(everport_core::Notice::RestartCoalesced);
        Entry::Notice(notice, None)
    }

    fn drain(queue: &Queue) -> Vec<String> {
        queue.close();
        let mut shown = Vec::new();
        let mut batch = Vec::new();
        while queue.take(&mut batch) {
            shown.extend(batch.drain(..).map(|item| match item {
                Item::Entry(_, Entry::Line(line)) => line.text,
                Item::Entry(_, entry) => format!("{entry:?}"),
                Item::Lost(count) => format!("lost {count}"),
            }));
        }
        shown
    }

    #[test]
    fn entries_come_out_in_order() {
        let queue = Queue::new(Level::Info, CAPACITY);
        for text in ["one", "two", "three"] {
            queue.write(line(text));
        }
        assert_eq!(drain(&queue), ["one", "two", "three"]);
    }

    #[test]
    fn what_does_not_fit_is_counted_where_it_is_missing() {
        let queue = Queue::new(Level::Info, 4096);
        let long = "x".repeat(2000);
        for _ in 0..5 {
            queue.write(line(&long));
        }
        queue.write(line("short"));
        let shown = drain(&queue);
        assert_eq!(shown, [long.as_str(), "lost 4", "short"]);
    }

    #[test]
    fn a_flood_of_lines_leaves_room_for_notices() {
        let queue = Queue::new(Level::Info, 64 * 1024);
        for _ in 0..10_000 {
            queue.write(line("flood"));
        }
        queue.write(coalesced());
        assert_eq!(
            drain(&queue).last().unwrap(),
            r"Notice(Supervisor(RestartCoalesced), None)"
        );
    }

    #[test]
    fn entries_below_the_level_are_left_out() {
        let queue = Queue::new(Level::Warn, CAPACITY);
        queue.write(coalesced());
        queue.write(line("info"));
        assert!(drain(&queue).is_empty());
    }

    #[test]
    fn a_closed_queue_takes_nothing() {
        let queue = Queue::new(Level::Info, CAPACITY);
        queue.close();
        queue.write(line("late"));
        assert!(drain(&queue).is_empty());
    }
}
