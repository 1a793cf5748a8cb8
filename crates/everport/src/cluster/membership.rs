//! A worker's share in a port, given back when its listener is dropped.

use std::sync::Arc;

use everport_core::PortId;

use super::readiness::Unpolled;
use super::state::State;
use crate::link::FromWorker;

/// A port of this worker. Dropping it gives the port back, unless the worker drains and everything ends.
#[derive(Debug)]
pub(crate) struct Membership {
    port: PortId,
    state: Arc<State>,
    unpolled: Option<Unpolled>,
    is_kept: bool,
}

impl Membership {
    pub(crate) fn new(port: PortId, state: &Arc<State>) -> Self {
        Self {
            port,
            state: Arc::clone(state),
            unpolled: None,
            is_kept: false,
        }
    }

    /// The listener's part in the worker's readiness.
    pub(crate) fn count(&mut self, unpolled: Unpolled) {
        self.unpolled = Some(unpolled);
    }

    /// The port is this worker's until it leaves; nothing gives it back before.
    pub(crate) fn keep(mut self) {
        self.is_kept = true;
    }

    /// The listener was polled.
    pub(crate) fn polled(&self) {
        if let Some(unpolled) = &self.unpolled {
            unpolled.polled();
        }
    }

    pub(crate) fn port(&self) -> PortId {
        self.port
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.state.forget_port(self.port);
        if !self.is_kept && !self.state.is_draining() {
            // Without a link there is nobody to tell.
            self.state
                .outbox
                .push(FromWorker::Release { port: self.port })
                .ok();
        }
    }
}
