//! What a cluster looks like at one moment.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use everport_core::{Status as Supervision, WorkerState};

use crate::{Generation, PortAddress, Sharing, SlotId, WorkerId};

/// A snapshot of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Status {
    /// The newest generation that finished.
    pub generation: Generation,
    /// The generation being rolled out, if any.
    pub rollout: Option<Generation>,
    /// Whether a graceful stop was asked for and its drain delay runs.
    pub leaving: bool,
    /// Whether the cluster stops: its workers drain and get no successors.
    pub stopping: bool,
    /// How many slots there should be.
    pub slots: u32,
    /// Every worker there is, sorted by id. Those of a rollout, and those that still drain, are among them.
    pub workers: Vec<WorkerStatus>,
}

/// One worker in a [`Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerStatus {
    /// Its id.
    pub id: WorkerId,
    /// Its slot.
    pub slot: SlotId,
    /// Its generation.
    pub generation: Generation,
    /// Its process id, once it has one. A worker that is a thread has its watcher's.
    pub pid: Option<u32>,
    /// Where it is in its life.
    pub state: WorkerState,
    /// Whether it is stopped by a signal.
    pub suspended: bool,
    /// Whether it does not answer while somebody waits for it.
    pub silent: bool,
}

/// An open port of the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenPort {
    /// The address that workers ask for: `127.0.0.1:0`.
    pub asked: PortAddress,
    /// The address that it is bound to: `127.0.0.1:43121`. The same unless the watcher chose the port number.
    pub address: PortAddress,
    /// How it is shared.
    pub sharing: Sharing,
    /// The name by which its socket was passed in, if the watcher did not make it.
    pub passed_in_as: Option<String>,
}

impl Status {
    pub(crate) fn new(supervision: Supervision, pid: impl Fn(WorkerId) -> Option<u32>) -> Self {
        let Supervision {
            generation,
            rollout,
            leaving,
            stopping,
            slots,
            workers,
        } = supervision;
        let worker = |it: everport_core::WorkerStatus| WorkerStatus {
            id: it.worker,
            slot: it.slot,
            generation: it.generation,
            pid: pid(it.worker),
            state: it.state,
            suspended: it.suspended,
            silent: it.silent,
        };
        Self {
            generation,
            rollout,
            leaving,
            stopping,
            slots,
            workers: workers.into_iter().map(worker).collect(),
        }
    }

    /// How many of the slots have a worker that serves.
    #[must_use]
    pub fn ready(&self) -> u32 {
        let serving = self.workers.iter().filter(|worker| worker.serves());
        let slots = serving.map(|worker| worker.slot.0);
        let wanted: BTreeSet<u32> = slots.filter(|slot| *slot < self.slots).collect();
        u32::try_from(wanted.len()).unwrap_or(u32::MAX)
    }

    /// Whether every slot has a worker that serves.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.ready() == self.slots
    }

    /// The newest worker of the slot that serves.
    #[must_use]
    pub fn serving(&self, slot: SlotId) -> Option<&WorkerStatus> {
        let mut newest_first = self.workers.iter().rev();
        newest_first.find(|worker| worker.slot == slot && worker.serves())
    }

    /// A worker by its id, as long as it is there.
    #[must_use]
    pub fn worker(&self, id: WorkerId) -> Option<&WorkerStatus> {
        self.workers.iter().find(|worker| worker.id == id)
    }
}

impl WorkerStatus {
    /// Whether new connections can be left to it: it is ready, runs, and answers.
    #[must_use]
    pub fn serves(&self) -> bool {
        self.state == WorkerState::Ready && !self.suspended && !self.silent
    }
}

impl OpenPort {
    /// Where it is, unless it is a Unix socket.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.address {
            PortAddress::Tcp(address) => Some(address),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(id: u64, slot: u32, state: WorkerState) -> WorkerStatus {
        WorkerStatus {
            id: WorkerId(id),
            slot: SlotId(slot),
            generation: Generation(1),
            pid: Some(4711),
            state,
            suspended: false,
            silent: false,
        }
    }

    fn status(workers: Vec<WorkerStatus>) -> Status {
        Status {
            generation: Generation(1),
            rollout: None,
            leaving: false,
            stopping: false,
            slots: 2,
            workers,
        }
    }

    #[test]
    fn a_slot_counts_once_whoever_serves_it() {
        let ready = |id, slot| worker(id, slot, WorkerState::Ready);
        let during_rollout = status(vec![ready(1, 0), ready(2, 1), ready(3, 0)]);
        assert_eq!(during_rollout.ready(), 2);
        assert!(during_rollout.is_ready());
        let newest = during_rollout.serving(SlotId(0)).map(|it| it.id);
        assert_eq!(newest, Some(WorkerId(3)));
        assert_eq!(during_rollout.worker(WorkerId(2)), Some(&ready(2, 1)));
    }

    #[test]
    fn who_does_not_serve_does_not_count() {
        let check = |change: fn(&mut WorkerStatus)| {
            let mut other = worker(2, 1, WorkerState::Ready);
            change(&mut other);
            let status = status(vec![worker(1, 0, WorkerState::Ready), other]);
            assert_eq!((status.ready(), status.is_ready()), (1, false), "{other:?}");
            assert_eq!(status.serving(SlotId(1)), None);
        };
        check(|worker| worker.state = WorkerState::Booting);
        check(|worker| worker.state = WorkerState::Draining);
        check(|worker| worker.suspended = true);
        check(|worker| worker.silent = true);
        check(|worker| worker.slot = SlotId(2)); // scaled away
    }
}
