//! Whether ports are steered and closed rightly.

use everport_core::{PortId, Serving, SlotId};

use super::Checker;
use crate::model::Seen;

impl Checker {
    pub(super) fn steer(&mut self, port: PortId, serving: &[Serving]) {
        assert!(!serving.is_empty(), "steered to nobody");
        assert!(
            serving.is_sorted_by_key(|serving| serving.slot),
            "not sorted"
        );
        let serves = self.model.serving(port);
        let known = |entry: &Serving| {
            let seen = &self.model.workers[&entry.worker];
            seen.slot == entry.slot && seen.serves() && seen.ports.contains(&port)
        };
        assert!(
            serving.iter().all(known),
            "{serving:?} where {serves:?} serve"
        );
        let last = self.model.ports.insert(port, serving.to_vec());
        assert_ne!(last.as_deref(), Some(serving), "steered as before");
        let last = last.unwrap_or_else(|| panic!("port {port} is closed"));
        let mut too_late = last
            .iter()
            .filter(|before| self.told.contains(&before.worker));
        assert_eq!(
            too_late.next(),
            None,
            "told to drain before port {port} was steered away"
        );
    }

    pub(super) fn assert_steered(&self) {
        for (port, last) in &self.model.ports {
            let serving = self.model.serving(*port);
            assert!(
                serving.is_empty() || serving == *last,
                "port {port}: {serving:?} serve, steered to {last:?}"
            );
        }
    }

    pub(super) fn close_port(&mut self, port: PortId) {
        let model = &mut self.model;
        if self.given_back == Some(port) {
            self.given_back = None;
            assert!(
                model.ports.remove(&port).is_some(),
                "port {port} is not open"
            );
            // Workers on their way out may hold it still.
            for seen in model.workers.values_mut() {
                seen.ports.remove(&port);
            }
            return;
        }
        assert!(
            self.rollout_ended,
            "port {port} is closed without the end of a rollout"
        );
        assert!(
            !self.drained_for_rollout,
            "port {port} is closed after the last drain"
        );
        assert!(
            model.ports.remove(&port).is_some(),
            "port {port} is not open"
        );
        self.closed.push(port);
    }

    /// Judged once everything is said: workers that are told to drain in the same step do not count.
    pub(super) fn assert_right_ports_closed(&mut self) {
        let unserved = self.given_back.take();
        assert_eq!(unserved, None, "a port stays open that everybody gave back");
        for port in core::mem::take(&mut self.closed) {
            assert!(
                self.every_slot_serves(),
                "port {port} is closed while a slot is empty"
            );
            assert!(
                !self.is_wanted(port),
                "port {port} is closed though it is wanted"
            );
            for seen in self.model.workers.values_mut() {
                seen.ports.remove(&port);
            }
        }
        if self.rollout_ended && !self.rollout_runs() && self.every_slot_serves() {
            for port in self.model.ports.keys() {
                assert!(
                    self.is_wanted(*port),
                    "port {port} stays though nobody wants it"
                );
            }
        }
    }

    /// Whether a live worker of any generation has asked for the port and not given it back.
    pub(super) fn is_asked_for(&self, port: PortId) -> bool {
        let mut workers = self.model.workers.values().filter(|seen| seen.is_live());
        workers.any(|seen| seen.ports.contains(&port))
    }

    pub(super) fn is_wanted(&self, port: PortId) -> bool {
        let mut workers = self.model.workers.values().filter(|seen| seen.is_live());
        workers.any(|seen| seen.generation == self.model.good && seen.ports.contains(&port))
    }

    pub(super) fn every_slot_serves(&self) -> bool {
        let model = &self.model;
        let ready = |seen: &Seen| seen.is_ready() && seen.generation == model.good;
        (0..model.wanted).all(|slot| model.live_in(SlotId(slot)).any(ready))
    }
}
