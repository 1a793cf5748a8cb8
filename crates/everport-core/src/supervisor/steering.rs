//! Which slots serve which port.

use alloc::vec::Vec;

use super::Supervisor;
use super::slot::Slot;
use super::worker::Worker;
use crate::{Action, Generation, PortId, Serving, WorkerId};

impl Supervisor {
    pub(super) fn on_listening(&mut self, id: WorkerId, port: PortId) {
        if let Some(worker) = self.worker_mut(id)
            && worker.is_live()
        {
            worker.ports.insert(port);
            self.ports.entry(port).or_default();
        }
    }

    /// Closes the port when nobody is left who would accept its connections. A worker on its way out says
    /// nothing about that: its successor will ask again. In a cluster that ends, all of them are.
    pub(super) fn on_released(&mut self, id: WorkerId, port: PortId) {
        let Some(worker) = self.worker_mut(id) else {
            return;
        };
        let gave_back = worker.ports.remove(&port) && worker.is_live();
        if gave_back && !self.is_asked_for(port) {
            self.close_port(port);
        }
    }

    /// Announces what has changed. While nobody serves a port its last steering stays.
    pub(super) fn steer(&mut self) {
        for (port, last) in &mut self.ports {
            let serving = || {
                self.slots.iter().filter_map(|(slot, home)| {
                    let worker = serves(home, *port)?.id;
                    Some(Serving {
                        slot: *slot,
                        worker,
                    })
                })
            };
            // Nearly always nothing has changed.
            if serving().next().is_some() && !serving().eq(last.iter().copied()) {
                *last = serving().collect();
                let (port, serving) = (*port, last.clone());
                self.actions.push_back(Action::Steer { port, serving });
            }
        }
    }

    /// Closes and forgets the ports that no live worker of this generation has asked for. Nothing is known
    /// about that while a slot is without one: it may be the only one that would ask.
    pub(super) fn close_ports_without(&mut self, generation: Generation) {
        if !self.all_slots(|slot| slot.runs_only(generation)) {
            return;
        }
        let wanted = |port: &PortId| {
            let mut workers = self
                .slots
                .values()
                .flat_map(|slot| slot.live_of(generation));
            workers.any(|worker| worker.ports.contains(port))
        };
        let unwanted: Vec<PortId> = self
            .ports
            .keys()
            .filter(|port| !wanted(port))
            .copied()
            .collect();
        for port in unwanted {
            self.close_port(port);
        }
    }

    /// Whether a live worker of any generation holds the port, whatever it is doing.
    fn is_asked_for(&self, port: PortId) -> bool {
        self.all_workers()
            .any(|worker| worker.is_live() && worker.ports.contains(&port))
    }

    /// Closes and forgets a port. Whoever asks for it from now on makes it known again.
    fn close_port(&mut self, port: PortId) {
        self.ports.remove(&port);
        for worker in self.slots.values_mut().flat_map(Slot::workers_mut) {
            worker.ports.remove(&port);
        }
        self.actions.push_back(Action::ClosePort { port });
    }
}

/// The newest worker of a slot that serves the port.
fn serves(slot: &Slot, port: PortId) -> Option<&Worker> {
    slot.live()
        .rev()
        .find(|worker| worker.serves() && worker.ports.contains(&port))
}
