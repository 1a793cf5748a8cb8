//! The channels of dispatched ports, when something happens to a worker.

use everport_core::PortId;

use super::PortTable;
use crate::WorkerId;

impl PortTable {
    /// The worker drains and takes what still comes to these ports, should nobody serve them.
    pub(crate) fn empty(&self, worker: WorkerId, ports: &[PortId]) {
        for port in ports.iter().filter_map(|id| self.ports.get(id)) {
            port.empty(worker);
        }
    }

    /// The worker has given the port back: what waits for it there is given to others.
    pub(crate) fn release(&mut self, id: PortId, worker: WorkerId) {
        if let Some(port) = self.ports.get_mut(&id) {
            port.close_channel(worker, &self.watch);
        }
    }

    /// The worker is dead, or can't be talked to any more: so it is for every port.
    pub(crate) fn release_all(&mut self, worker: WorkerId) {
        for port in self.ports.values_mut() {
            port.close_channel(worker, &self.watch);
        }
    }
}
