//! Has workers replaced that use more memory than they may.

use std::thread;
use std::time::Duration;

use everport_core::{Event, ReplaceCause, WorkerState};
use tokio::time::Instant;

use super::event_loop::EventLoop;
use super::input::Input;
use super::memory_usage::MemoryUsage;
use crate::WorkerId;
use crate::log::Notice;

/// How often each worker is measured. One at a time: a measurement costs milliseconds for each gigabyte, and
/// meanwhile the worker can map no memory.
const PERIOD: Duration = Duration::from_secs(5);

/// How many measurements may be stuck in the kernel, each with a thread of ours. While so many are, nobody is measured.
const MOST_STUCK: usize = 8;

/// The thread reads a small file; 64 KiB are more than it uses.
const STACK: usize = 64 * 1024;

/// What the memory of workers is held against.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    /// In bytes.
    limit: u64,
    /// When the next worker is measured; while one is, when it is given up on.
    next: Instant,
    /// Whose measurements have not come back, the latest at the end.
    measured: Vec<WorkerId>,
    /// Who was measured last.
    last: Option<WorkerId>,
}

impl MemoryLimit {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            next: Instant::now() + PERIOD,
            measured: Vec::new(),
            last: None,
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        (self.measured.len() < MOST_STUCK).then_some(self.next)
    }

    fn is_due(&self) -> bool {
        self.next_timeout()
            .is_some_and(|next| next <= Instant::now())
    }

    /// Whose turn it is among the workers, which are sorted by id. Nobody is measured twice at a time.
    fn choose(&mut self, workers: &[WorkerId]) -> Option<WorkerId> {
        let mut free = workers.iter().filter(|id| !self.measured.contains(id));
        let first = free.clone().next();
        self.last = free.find(|id| Some(**id) > self.last).or(first).copied();
        self.last
    }

    fn begin(&mut self, worker: WorkerId) {
        self.measured.push(worker);
        self.next = Instant::now() + PERIOD;
    }

    /// A late answer does not put off the next measurement.
    fn end(&mut self, worker: WorkerId, workers: usize) {
        if self.measured.last() == Some(&worker) {
            self.schedule(workers);
        }
        self.measured.retain(|id| *id != worker);
    }

    /// The turns are spread, so that everybody has had one when the period is over.
    fn schedule(&mut self, workers: usize) {
        let share = u32::try_from(workers.max(1)).unwrap_or(u32::MAX);
        self.next = Instant::now() + PERIOD / share;
    }
}

impl EventLoop {
    /// Measures the next ready worker, on a thread of its own: it delays nobody, and one that is stuck in the
    /// kernel keeps neither the watcher from ending nor others from being measured.
    pub(super) fn measure_if_due(&mut self) {
        if !self.memory_limit.as_ref().is_some_and(MemoryLimit::is_due) {
            return;
        }
        let ready = self.ready_workers();
        let Some(limit) = &mut self.memory_limit else {
            return;
        };
        limit.schedule(ready.len());
        let chosen = limit.choose(&ready);
        let Some((worker, record)) = chosen.and_then(|id| Some((id, self.workers.get(&id)?)))
        else {
            return;
        };
        let (pid, sender) = (record.pid_number(), self.sender.clone());
        let measure = move || {
            let usage = MemoryUsage::of(pid);
            // A loop that has ended needs no measurements.
            let _ended = sender.blocking_send(Input::Measured { worker, usage });
        };
        let thread = thread::Builder::new().name("everport-memory".to_owned());
        // Without a thread this one is passed over; its turn comes again.
        if thread.stack_size(STACK).spawn(measure).is_ok() {
            limit.begin(worker);
        }
    }

    /// The pid may have become somebody else's meanwhile, but then the worker is buried and unknown.
    pub(super) fn handle_measured(&mut self, worker: WorkerId, usage: Option<MemoryUsage>) {
        let ready = self.ready_workers();
        let Some(limit) = &mut self.memory_limit else {
            return;
        };
        limit.end(worker, ready.len());
        let limit = limit.limit;
        let Some(record) = self.workers.get_mut(&worker) else {
            return;
        };
        let Some(usage) = usage.filter(|usage| usage.used > limit) else {
            return;
        };
        if std::mem::replace(&mut record.is_over_memory, true) || !ready.contains(&worker) {
            return;
        }
        let slot = record.slot;
        self.tell(Notice::OverMemory {
            worker,
            slot,
            used: usage.used,
            limit,
            is_proportional: usage.is_proportional,
        });
        let cause = ReplaceCause::Memory;
        self.feed(Event::ReplaceRequested { worker, cause });
    }

    fn ready_workers(&self) -> Vec<WorkerId> {
        let workers = self.supervisor.status().workers;
        let ready = workers
            .iter()
            .filter(|worker| worker.state == WorkerState::Ready);
        ready.map(|worker| worker.worker).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn() {
        let mut limit = MemoryLimit::new(1);
        let mut choose = |workers: &[u64]| {
            let workers: Vec<WorkerId> = workers.iter().copied().map(WorkerId).collect();
            limit.choose(&workers).map(|worker| worker.0)
        };
        assert_eq!(choose(&[]), None);
        let turns: Vec<_> = (0..4).map(|_| choose(&[3, 5, 8])).collect();
        assert_eq!(turns, [Some(3), Some(5), Some(8), Some(3)]);
        // Those that are gone are passed over, and new ones come at the end.
        assert_eq!(choose(&[5, 9]), Some(5));
        assert_eq!(choose(&[9]), Some(9));
        assert_eq!(choose(&[9, 10]), Some(10));
    }

    #[test]
    fn measurements_that_are_stuck_keep_nobody_else_from_being_measured_up_to_a_bound() {
        let mut limit = MemoryLimit::new(1);
        let workers: Vec<WorkerId> = (0..20).map(WorkerId).collect();
        let until_next = |limit: &MemoryLimit| {
            let next = limit.next_timeout()?;
            Some(next.saturating_duration_since(Instant::now()))
        };
        for worker in &workers[..MOST_STUCK] {
            assert!(until_next(&limit).is_some_and(|wait| wait <= PERIOD));
            assert_eq!(limit.choose(&workers), Some(*worker));
            limit.begin(*worker);
        }
        assert_eq!(until_next(&limit), None);
        limit.next = Instant::now();
        limit.end(workers[3], workers.len());
        assert!(limit.is_due(), "a late answer puts nothing off");
        // Those that are still stuck are passed over.
        assert_eq!(limit.choose(&workers[..4]), Some(workers[3]));
        assert_eq!(limit.choose(&workers[..3]), None);
        limit.begin(workers[3]);
        limit.end(workers[3], workers.len());
        let wait = until_next(&limit).unwrap();
        assert!(wait <= PERIOD / 20, "an answer in time: {wait:?}");
    }
}
