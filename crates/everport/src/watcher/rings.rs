//! Gives workers rings for their records, and tells them which records are wanted.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use tokio::io::Interest;

use super::event_loop::EventLoop;
use super::records::{Pool, RecordCapture, Taker};
use crate::WorkerId;
use crate::link::FromWatcher;
use crate::log::{Level, Notice, Source, WhenFull};
use crate::reactor;
use crate::ring::{Ring, Size};

/// What every worker's ring is like, and what goes through it.
#[derive(Debug)]
pub(crate) struct Rings {
    size: Size,
    when_full: WhenFull,
    level: Level,
    /// Whether the level was set while the cluster ran, so that it counts more than what workers start with.
    overrides: bool,
    pool: Arc<Pool>,
}

impl Rings {
    pub(crate) fn new(size: Size, when_full: WhenFull, level: Level) -> Self {
        Self {
            size,
            when_full,
            level,
            overrides: false,
            pool: Arc::default(),
        }
    }

    /// The answer to a worker that has asked for a ring.
    fn answer(&self, is_given: bool) -> FromWatcher {
        FromWatcher::Ring {
            size: if is_given { self.size.bytes() } else { 0 },
            when_full: self.when_full,
            level: self.level,
            overrides: self.overrides,
        }
    }
}

impl EventLoop {
    /// Gives a worker its ring. It does without when there is none: then it prints its records.
    pub(super) fn open_ring(&mut self, worker: WorkerId) {
        let Some(record) = self.workers.get(&worker).filter(|it| it.has_joined) else {
            return;
        };
        let source = record.source(worker);
        match self.start_capture(source) {
            Ok(capture) => {
                if let Some(record) = self.workers.get_mut(&worker) {
                    record.records = Some(capture);
                }
            }
            Err(error) => {
                self.links.send(worker, &self.rings.answer(false), None);
                self.tell_of_refused_ring(source, &error);
            }
        }
    }

    fn start_capture(&mut self, source: Source) -> io::Result<RecordCapture> {
        let Ring { consumer, bell } = Ring::new(self.rings.size)?;
        let bell = reactor::register(bell, Interest::READABLE)?;
        let fds = [consumer.memory(), bell.get_ref().as_fd()];
        let answer = self.rings.answer(true);
        self.links.send_with(source.worker, &answer, &fds);
        let sink = std::sync::Arc::clone(&self.sink);
        let rings = &self.rings;
        let taker = Taker::new(source, consumer, rings.when_full, sink, &rings.pool);
        Ok(RecordCapture::start(taker, bell))
    }

    /// Other systems than Linux have no rings, which is not worth a word for each worker.
    fn tell_of_refused_ring(&self, source: Source, error: &io::Error) {
        if error.kind() != std::io::ErrorKind::Unsupported {
            self.tell(Notice::RingRefused {
                worker: source.worker,
                slot: source.slot,
                error: error.to_string(),
            });
        }
    }

    /// Has every worker log from this level up, those that are still to come, too.
    pub(super) fn set_log_level(&mut self, level: Level) {
        self.rings.level = level;
        self.rings.overrides = true;
        for record in self.workers.values_mut() {
            // One that has not joined learns it with its ring.
            record.misses_log_level = record.has_joined;
        }
        self.tell_log_level();
        self.tell(Notice::LogLevelSet { level });
    }

    /// Tells the newest level to those who miss it, unless they are stopped: many levels would fill the link of one that
    /// does not read, and the newest is all it needs to know once it runs.
    pub(super) fn tell_log_level(&mut self) {
        let level = self.rings.level;
        for (worker, record) in &mut self.workers {
            if record.misses_log_level && !self.pulse.is_suspended(*worker) {
                let frame = FromWatcher::LogLevel { level };
                record.misses_log_level = !self.links.suggest(*worker, &frame, None);
            }
        }
    }
}
