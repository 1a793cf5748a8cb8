//! What waits to be written: bounded in bytes, so that a stuck reader costs entries and never memory.

use std::collections::{HashMap, VecDeque, hash_map};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use super::Entry;
use super::records::Claim;
use crate::WorkerId;

/// How much may wait, in bytes: a reader may pause for a while, a watcher stays small.
pub(super) const CAPACITY: usize = 8 * 1024 * 1024;

/// A share of the capacity that only notices may use, so that flooding workers cannot displace them.
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

/// Entries between the watcher's loop, which never waits, and the thread that writes them for one sink.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<Item>,
    /// How much waits without what was promised to be written.
    bytes: usize,
    /// How much of that each worker has, if anything.
    shares: HashMap<WorkerId, usize>,
    /// How much waits of what dead workers left in their rings.
    last_words: usize,
    asked_to_reopen: bool,
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

/// Which part of the queue's room something takes.
enum Room {
    /// What the watcher itself says.
    Common,
    /// What a worker says.
    Share(WorkerId),
    /// What a dead worker left: as much as all rings hold, for they are empty then.
    LastWords { bytes: usize, most: usize },
    /// What its worker waits for, so that it is bounded before it comes here.
    Promised,
}

/// What the writer has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// There are items in the batch.
    Write,
    /// Files are to be opened anew.
    Reopen,
    /// The queue is closed and empty.
    End,
}

impl Queue {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            state: Mutex::default(),
            changed: Condvar::new(),
            capacity,
        }
    }

    /// Takes an entry that came at a time, or counts it as lost.
    pub(super) fn put(&self, at: SystemTime, entry: Entry) {
        let mut state = self.lock();
        if state.life != Life::Open {
            return;
        }
        let was_empty = state.items.is_empty();
        state.push(Item::Entry(at, entry), self.capacity);
        drop(state);
        if was_empty {
            self.changed.notify_all();
        }
    }

    /// Waits for something to do. Items are moved to `batch`, oldest first.
    pub(super) fn take(&self, batch: &mut Vec<Item>) -> Turn {
        let state = self.lock();
        let mut state = self
            .changed
            .wait_while(state, |state| {
                state.items.is_empty() && state.life == Life::Open && !state.asked_to_reopen
            })
            .unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut state.asked_to_reopen) {
            return Turn::Reopen;
        }
        match state.move_to(batch) {
            0 => Turn::End,
            _ => Turn::Write,
        }
    }

    /// Asks the writer to open its file anew before it writes anything else.
    pub(super) fn reopen(&self) {
        self.lock().asked_to_reopen = true;
        self.changed.notify_all();
    }

    /// Takes no more entries.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.life == Life::Open {
            state.life = Life::Closing;
        }
        self.changed.notify_all();
    }

    /// Whether nothing waits.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.lock().items.is_empty()
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

impl State {
    fn push(&mut self, item: Item, capacity: usize) {
        let bytes = item.bytes();
        if self.has_room(&item, bytes, capacity) {
            match item.room() {
                Room::Common => self.bytes += bytes,
                Room::Share(worker) => {
                    self.bytes += bytes;
                    *self.shares.entry(worker).or_default() += bytes;
                }
                Room::LastWords { bytes, .. } => self.last_words += bytes,
                Room::Promised => {}
            }
            self.items.push_back(item);
        } else if let Some(Item::Lost(count)) = self.items.back_mut() {
            *count = count.saturating_add(item.entries()); // a worker may claim any number
        } else {
            let lost = Item::Lost(item.entries());
            self.bytes += lost.bytes();
            self.items.push_back(lost);
        }
    }

    /// What comes from a worker leaves room for notices. And no worker may have more waiting than there is still
    /// room for others: one that floods gets half, two get a third each, and always as much stays for those who
    /// have little to say. What was promised to be written takes no room from any of these.
    fn has_room(&self, item: &Item, bytes: usize, capacity: usize) -> bool {
        match item.room() {
            Room::Common => self.bytes + bytes <= capacity,
            Room::Share(worker) => {
                let free = (capacity - capacity / FOR_NOTICES).saturating_sub(self.bytes);
                let share = self.shares.get(&worker).copied().unwrap_or(0);
                bytes <= free && share + bytes <= free
            }
            Room::LastWords { bytes, most } => self.last_words + bytes <= most.max(capacity),
            Room::Promised => true,
        }
    }

    /// Moves the oldest items to the batch, and returns how many.
    fn move_to(&mut self, batch: &mut Vec<Item>) -> usize {
        let before = batch.len();
        let mut left = BATCH;
        while left > 0 {
            let Some(item) = self.items.pop_front() else {
                self.items.shrink_to(KEPT_CAPACITY);
                break;
            };
            let bytes = item.bytes();
            match item.room() {
                Room::Common => self.bytes -= bytes,
                Room::Share(worker) => {
                    self.bytes -= bytes;
                    self.give_back(worker, bytes);
                }
                Room::LastWords { bytes, .. } => self.last_words -= bytes,
                Room::Promised => {}
            }
            left = left.saturating_sub(bytes);
            batch.push(item);
        }
        batch.len() - before
    }

    fn give_back(&mut self, worker: WorkerId, bytes: usize) {
        if let hash_map::Entry::Occupied(mut share) = self.shares.entry(worker) {
            *share.get_mut() -= bytes;
            if *share.get() == 0 {
                share.remove();
            }
        }
    }
}

impl Item {
    fn room(&self) -> Room {
        match self {
            Self::Entry(_, Entry::Line(line)) => Room::Share(line.source.worker),
            Self::Entry(_, Entry::Records(records)) => match records.claim() {
                Claim::Share => Room::Share(records.source().worker),
                Claim::WaitedFor => Room::Promised,
                Claim::LastWords { most } => Room::LastWords {
                    bytes: records.size(),
                    most,
                },
            },
            Self::Entry(_, Entry::Notice(..) | Entry::Lost(_)) | Self::Lost(_) => Room::Common,
        }
    }

    /// A place is done with it: its worker may hand over more, if it comes from one.
    pub(super) fn note_done(&self) {
        if let Self::Entry(_, Entry::Records(records)) = self {
            records.note_done();
        }
    }

    /// How many entries are missing if it is.
    pub(super) fn entries(&self) -> u64 {
        match self {
            Self::Entry(_, Entry::Records(records)) => records.count(),
            Self::Entry(_, Entry::Lost(lost)) => lost.count,
            Self::Entry(_, Entry::Notice(..) | Entry::Line(_)) => 1,
            Self::Lost(count) => *count,
        }
    }

    /// What it costs while it waits.
    fn bytes(&self) -> usize {
        let text = match self {
            Self::Entry(_, Entry::Line(line)) => line.text.len(),
            Self::Entry(_, Entry::Records(records)) => records.size(),
            Self::Entry(_, Entry::Notice(..)) => 256, // the longest text of most notices
            Self::Entry(_, Entry::Lost(_)) | Self::Lost(_) => 0,
        };
        size_of::<Self>() + text
    }
}

#[cfg(test)]
#[path = "queue_tests.rs"]
mod tests;
