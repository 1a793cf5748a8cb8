//! What waits at the cluster's sockets, and which workers should have taken it.

use std::collections::BTreeSet;
use std::os::fd::BorrowedFd;

use everport_core::PortId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::PortTable;
use super::socket_watch::SocketName;
use crate::WorkerId;
use crate::watcher::links::Links;
use crate::watcher::pulse::Look;

/// A socket at which connections may wait, and the workers that should take them.
pub(super) struct Queue<'port> {
    pub(super) name: SocketName,
    pub(super) socket: BorrowedFd<'port>,
    pub(super) takers: Vec<WorkerId>,
}

impl PortTable {
    /// Reports the next connection that one of these workers should take.
    pub(crate) fn arm(&mut self, is_well: impl Fn(WorkerId) -> bool) {
        self.arming_is_due = false;
        for port in self.ports.values_mut() {
            port.arm(&self.watch, &is_well);
        }
    }

    /// Reports no connection any more.
    pub(crate) fn disarm(&mut self) {
        for port in self.ports.values_mut() {
            port.disarm(&self.watch);
        }
    }

    /// Whether what is armed no longer fits those who serve.
    pub(crate) fn arming_is_due(&self) -> bool {
        self.arming_is_due
    }

    /// Who serves has changed, or what is known about them.
    pub(crate) fn arm_soon(&mut self) {
        self.arming_is_due = true;
    }

    /// Looks at all queues at once. Where one that all workers share was not empty the last time either,
    /// somebody who is well is asked to look: the one that was woken may have stopped or hang.
    pub(crate) fn look(&mut self, is_well: impl Fn(WorkerId) -> bool, links: &mut Links) -> Look {
        let queues: Vec<Queue<'_>> = self
            .ports
            .values()
            .flat_map(|port| port.queues(&is_well))
            .collect();
        let waiting = those_waiting(&queues);
        let mut look = Look {
            awaited: BTreeSet::new(),
            serving: self.ports.values().flat_map(super::Port::servers).collect(),
        };
        let mut ports = BTreeSet::new();
        for queue in waiting {
            ports.insert(queue.name.0);
            look.awaited.extend(&queue.takers);
        }
        self.ask_others(&ports, &is_well, links);
        look
    }

    fn ask_others(
        &mut self,
        waiting: &BTreeSet<PortId>,
        is_well: &impl Fn(WorkerId) -> bool,
        links: &mut Links,
    ) {
        for (id, port) in &mut self.ports {
            port.note_queue(waiting.contains(id), is_well, links);
        }
    }
}

/// What a Unix socket that was shut down for reading reports beside what looks like a connection.
#[cfg(target_os = "linux")]
const SHUT: PollFlags = PollFlags::RDHUP;
#[cfg(not(target_os = "linux"))]
const SHUT: PollFlags = PollFlags::empty();

/// The queues that are not empty, by one system call. One that was shut down, if only for reading, has nothing
/// to offer.
fn those_waiting<'a>(queues: &'a [Queue<'a>]) -> impl Iterator<Item = &'a Queue<'a>> {
    let mut fds: Vec<PollFd<'_>> = queues
        .iter()
        .map(|queue| PollFd::from_borrowed_fd(queue.socket, PollFlags::IN | SHUT))
        .collect();
    // When the system does not say, nothing waits.
    poll(&mut fds, Some(&Timespec::default())).ok();
    let is_waiting: Vec<bool> = fds.iter().map(|fd| fd.revents() == PollFlags::IN).collect();
    let waiting = queues.iter().zip(is_waiting);
    waiting.filter_map(|(queue, is_waiting)| is_waiting.then_some(queue))
}
