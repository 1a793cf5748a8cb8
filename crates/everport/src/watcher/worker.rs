//! What the watcher keeps about one worker.

use std::collections::HashMap;
use std::sync::Arc;

use everport_core::PortId;

use super::attendant::Attendant;
use super::body::Body;
use super::output::OutputCapture;
use super::ports::PortKey;
use super::records::RecordCapture;
use crate::link::{FromWatcher, Session};
use crate::log::Source;
use crate::{Generation, PortAddress, SlotId, WorkerId};

/// More than any server listens on; without a bound one worker could use up the watcher's descriptors.
const MOST_PORTS: usize = 256;

/// A worker that has not been buried yet.
pub(crate) struct Worker {
    pub(crate) slot: SlotId,
    pub(crate) generation: Generation,
    pub(crate) body: Arc<Body>,
    pub(crate) session: Session,
    /// `None` for a thread.
    pub(crate) output: Option<OutputCapture>,
    /// `None` as long as it has no ring.
    pub(crate) records: Option<RecordCapture>,
    /// Kept for what happens when it is dropped: the task ends.
    _attendant: Attendant,
    /// Whether it has been welcomed; before that it can't be told anything.
    pub(crate) has_joined: bool,
    /// What it is told as soon as it has joined.
    pub(crate) held_back: Vec<FromWatcher>,
    /// Whether it has yet to be told which of its records are wanted by now.
    pub(crate) misses_log_level: bool,
    /// Whether its end is no surprise.
    pub(crate) may_leave: bool,
    /// Whether we killed it.
    pub(crate) was_killed: bool,
    /// Whether somebody is just looking at what it does; its end waits for that.
    pub(crate) is_being_described: bool,
    /// Whether it is to be replaced for the memory it uses.
    pub(crate) is_over_memory: bool,
    ports: HashMap<PortKey, Option<PortId>>,
}

/// The parts of a worker that come from its start.
pub(crate) struct Started {
    pub(crate) slot: SlotId,
    pub(crate) generation: Generation,
    pub(crate) body: Arc<Body>,
    pub(crate) output: Option<OutputCapture>,
    pub(crate) attendant: Attendant,
}

impl Worker {
    pub(crate) fn new(started: Started) -> Self {
        let Started {
            slot,
            generation,
            body,
            output,
            attendant,
        } = started;
        Self {
            slot,
            generation,
            body,
            session: Session::default(),
            output,
            records: None,
            _attendant: attendant,
            has_joined: false,
            held_back: Vec::new(),
            misses_log_level: false,
            may_leave: false,
            was_killed: false,
            is_being_described: false,
            is_over_memory: false,
            ports: HashMap::new(),
        }
    }

    /// The process id as people write it.
    pub(crate) fn pid_number(&self) -> u32 {
        self.body.pid()
    }

    /// What a living worker has printed last to standard error, and after that the last errors it has logged.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        let output = self.output.as_ref();
        let mut lines = output.map_or_else(Vec::new, OutputCapture::last_lines);
        if let Some(records) = &self.records {
            lines.extend(records.last_errors());
        }
        lines
    }

    /// Who it is, for entries of the log.
    pub(crate) fn source(&self, worker: WorkerId) -> Source {
        Source {
            worker,
            slot: self.slot,
            generation: self.generation,
            pid: self.pid_number(),
        }
    }

    /// The key of the port it asks for now: its *n*th port with number 0 is the cluster's *n*th. One that it
    /// gave back is the next it gets.
    pub(crate) fn key_for(&self, address: &PortAddress) -> PortKey {
        let key = |ordinal| PortKey {
            address: address.clone(),
            ordinal,
        };
        if !address.is_ephemeral() {
            return key(0);
        }
        let mut ordinals = 1..;
        let free = ordinals.find(|ordinal| !self.has_asked_for(&key(*ordinal)));
        key(free.unwrap_or_default())
    }

    /// Whether it has as many ports as one worker may have.
    pub(crate) fn has_most_ports(&self) -> bool {
        self.ports.len() >= MOST_PORTS
    }

    /// Whether it listens there already, or has asked to.
    pub(crate) fn has_asked_for(&self, key: &PortKey) -> bool {
        self.ports.contains_key(key)
    }

    /// It has asked for a port; `id` once it has been given it.
    pub(crate) fn note_port(&mut self, key: PortKey, id: Option<PortId>) {
        self.ports.insert(key, id);
    }

    /// It could not be given the port.
    pub(crate) fn forget_request(&mut self, key: &PortKey) {
        self.ports.remove(key);
    }

    /// It gave the port back; `false` if it did not have it.
    pub(crate) fn release(&mut self, id: PortId) -> bool {
        let before = self.ports.len();
        self.ports.retain(|_, other| *other != Some(id));
        self.ports.len() < before
    }

    /// The ports it was given.
    pub(crate) fn ports(&self) -> impl Iterator<Item = PortId> + '_ {
        self.ports.values().filter_map(|id| *id)
    }
}
