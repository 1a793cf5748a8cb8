//! The one stream of entries on its way to every sink.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::SystemTime;

use super::queue::Queue;
use super::{Entry, Level, Notice, Sink};

/// Passes entries on to the queue of each sink. None of these waits for its writer, so none can hold another.
#[derive(Debug)]
pub(super) struct Stream {
    /// The number of the least urgent level that is written.
    least: AtomicU8,
    queues: Vec<Arc<Queue>>,
}

impl Stream {
    pub(super) fn new(least: Level, queues: Vec<Arc<Queue>>) -> Self {
        Self {
            least: AtomicU8::new(least.number()),
            queues,
        }
    }

    pub(super) fn queues(&self) -> &[Arc<Queue>] {
        &self.queues
    }

    pub(super) fn set_level(&self, least: Level) {
        self.least.store(least.number(), Ordering::Relaxed);
    }

    /// Tells what happened to the log itself, to every sink but one.
    pub(super) fn tell(&self, notice: Notice, but: Option<&Arc<Queue>>) {
        if !self.takes(notice.level()) {
            return;
        }
        let at = SystemTime::now();
        for queue in &self.queues {
            if but.is_none_or(|but| !Arc::ptr_eq(but, queue)) {
                queue.put(at, Entry::Notice(notice.clone(), None));
            }
        }
    }

    fn takes(&self, level: Level) -> bool {
        level.number() <= self.least.load(Ordering::Relaxed)
    }
}

impl Sink for Stream {
    fn write(&self, entry: Entry) {
        if !self.takes(entry.level()) {
            return;
        }
        let at = SystemTime::now();
        if let Some((last, others)) = self.queues.split_last() {
            for queue in others {
                queue.put(at, entry.clone());
            }
            last.put(at, entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::fixtures::line_of;
    use crate::log::queue::{CAPACITY, Item, Turn};

    fn stream(least: Level, queues: usize) -> Stream {
        let queues = (0..queues).map(|_| Arc::new(Queue::new(CAPACITY)));
        Stream::new(least, queues.collect())
    }

    fn taken(queue: &Queue) -> usize {
        queue.close();
        let mut batch: Vec<Item> = Vec::new();
        while queue.take(&mut batch) != Turn::End {}
        batch.len()
    }

    fn taken_from_each(stream: &Stream) -> Vec<usize> {
        stream.queues().iter().map(|queue| taken(queue)).collect()
    }

    fn trouble() -> Notice {
        let error = "no space".to_owned();
        Notice::LogTrouble { error }
    }

    #[test]
    fn every_sink_has_every_entry() {
        let stream = stream(Level::Info, 3);
        stream.write(line_of(1, "one"));
        stream.write(line_of(1, "two"));
        assert_eq!(taken_from_each(&stream), [2, 2, 2]);
    }

    #[test]
    fn the_least_level_can_be_changed_at_any_time() {
        let stream = stream(Level::Warn, 1);
        stream.write(line_of(1, "too detailed"));
        stream.set_level(Level::Info);
        stream.write(line_of(1, "wanted"));
        stream.set_level(Level::Error);
        stream.write(line_of(1, "too detailed"));
        assert_eq!(taken(&stream.queues()[0]), 1);
    }

    #[test]
    fn trouble_of_one_sink_is_told_to_the_others() {
        let stream = stream(Level::Warn, 3);
        let own = Arc::clone(&stream.queues()[1]);
        stream.tell(trouble(), Some(&own));
        stream.tell(trouble(), None);
        assert_eq!(taken_from_each(&stream), [2, 1, 2]);
    }
}
