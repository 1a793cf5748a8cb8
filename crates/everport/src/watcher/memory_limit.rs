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

/// The thread reads a small file; 64 KiB are more than it uses.
const STACK: usize = 64 * 1024;

/// What the memory of workers is held against.
#[derive(Debug)]
pub(crate) struct MemoryLimit {
    /// In bytes.
    limit: u64,
    /// When the next worker is measured; `None` while one is.
    next: Option<Instant>,
    /// Who was measured last.
    last: Option<WorkerId>,
}

impl MemoryLimit {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            next: Some(Instant::now() + PERIOD),
            last: None,
        }
    }

    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.next
    }

    fn is_due(&self) -> bool {
        self.next.is_some_and(|next| next <= Instant::now())
    }

    /// Whose turn it is among the workers, which are sorted by id.
    fn choose(&mut self, workers: &[WorkerId]) -> Option<WorkerId> {
        let later = workers.iter().find(|worker| Some(**worker) > self.last);
        self.last = later.or(workers.first()).copied();
        self.last
    }

    /// The turns are spread, so that everybody has had one when the period is over.
    fn schedule(&mut self, workers: usize) {
        let share = u32::try_from(workers.max(1)).unwrap_or(u32::MAX);
        self.next = Some(Instant::now() + PERIOD / share);
    }
}

impl EventLoop {
    /// Measures the next ready worker, on a thread of its own: it delays nobody, and one that is stuck in the
    /// kernel does not keep the watcher from ending.
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
            limit.next = None;
        }
    }

    /// The pid may have become somebody else's meanwhile, but then the worker is buried and unknown.
    pub(super) fn handle_measured(&mut self, worker: WorkerId, usage: Option<MemoryUsage>) {
        let ready = self.ready_workers();
        let Some(limit) = &mut self.memory_limit else {
            return;
        };
        limit.schedule(ready.len());
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
}
