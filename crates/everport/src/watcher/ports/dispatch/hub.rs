//! What the parts of one dispatched port share: its channels, and the connections that are on no channel.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use everport_core::Serving;

use super::placing::{Nonsense, Placing};
use crate::link::{LinkError, Placed, PlacingEnd, Report, has_placed, take};
use crate::watcher::Placement;
use crate::{SlotId, WorkerId};

/// Everything about one port that its tasks and the watcher's loop both change.
#[derive(Debug)]
pub(super) struct Hub {
    placing: Placing,
    channels: BTreeMap<WorkerId, Channel>,
    /// Channels of workers that are gone, kept as long as the watcher is too short of descriptors to empty them.
    abandoned: Vec<Arc<OwnedFd>>,
    /// Taken back, and to be placed before anything else. As many as fit into all channels at most.
    returned: VecDeque<Connection>,
    /// Whether descriptors did not suffice to take everything back.
    is_short: bool,
    /// Whether new connections are accepted.
    pub(super) is_open: bool,
    /// Whether the accepting task waits for something else than a connection.
    waits_for_change: bool,
}

/// A connection that no worker has.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    pub(super) peer: Option<SocketAddr>,
}

/// The way to one worker.
#[derive(Debug)]
struct Channel {
    end: Arc<PlacingEnd>,
    /// The worker's end, which we hold as well: what it has not taken is read back from there.
    theirs: Arc<OwnedFd>,
    /// Whether the worker takes nothing from it any more.
    is_over: bool,
}

/// What became of a connection that was to be placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Placed,
    /// That worker's channel is broken: the next one is tried.
    Broken,
    /// The system refused for now.
    Refused,
}

impl Hub {
    pub(super) fn new(placement: Placement) -> Self {
        Self {
            placing: Placing::new(placement),
            channels: BTreeMap::new(),
            abandoned: Vec::new(),
            returned: VecDeque::new(),
            is_short: false,
            is_open: true,
            waits_for_change: false,
        }
    }

    pub(super) fn join(
        &mut self,
        worker: WorkerId,
        slot: SlotId,
        (end, theirs): (Arc<PlacingEnd>, Arc<OwnedFd>),
    ) {
        self.placing.join(worker, slot);
        let channel = Channel {
            end,
            theirs,
            is_over: false,
        };
        self.channels.insert(worker, channel);
    }

    /// The worker is gone, or has given the port back.
    pub(super) fn remove(&mut self, worker: WorkerId) {
        self.placing.leave(worker);
        if let Some(channel) = self.channels.remove(&worker) {
            self.abandoned.push(channel.theirs);
            self.take_back();
        }
    }

    /// The worker takes nothing from its channel any more.
    pub(super) fn end(&mut self, worker: WorkerId) {
        self.placing.leave(worker);
        if let Some(channel) = self.channels.get_mut(&worker) {
            channel.is_over = true;
            self.take_back();
        }
    }

    /// Something is wrong with the worker's channel: it ends for both sides, and its reader says so.
    pub(super) fn break_off(&mut self, worker: WorkerId) {
        if let Some(channel) = self.channels.get(&worker) {
            channel.end.hang_up();
        }
        self.end(worker);
    }

    pub(super) fn is_over(&self, worker: WorkerId) -> bool {
        let channel = self.channels.get(&worker);
        channel.is_none_or(|channel| channel.is_over)
    }

    pub(super) fn serve(&mut self, serving: &[Serving]) {
        self.placing.serve(serving);
        self.take_back();
    }

    /// This worker serves as well.
    pub(super) fn serve_too(&mut self, worker: WorkerId) {
        self.placing.serve_too(worker);
        self.take_back();
    }

    pub(super) fn stop_serving(&mut self, worker: WorkerId) {
        self.placing.stop_serving(worker);
        self.take_back();
    }

    pub(super) fn empty(&mut self, worker: WorkerId) {
        self.placing.empty(worker);
    }

    pub(super) fn hear(&mut self, worker: WorkerId, report: Report) -> Result<(), Nonsense> {
        self.placing.hear(worker, report)
    }

    /// Who is given the next connection; `None` while nobody takes any, or has room for one.
    pub(super) fn next(&self) -> Option<WorkerId> {
        self.placing.next()
    }

    /// Takes one that was taken back.
    pub(super) fn next_returned(&mut self) -> Option<Connection> {
        self.returned.pop_front()
    }

    /// Gives the connection to the worker; one that could not be placed is the next again.
    pub(super) fn place(&mut self, worker: WorkerId, connection: Connection) -> Outcome {
        let Some(channel) = self.channels.get(&worker) else {
            self.returned.push_front(connection);
            return Outcome::Broken;
        };
        let request = self.placing.place(worker);
        let placed = Placed {
            is_acknowledged: request.is_acknowledged,
            tells_end: request.tells_end,
            peer: connection.peer,
        };
        let Err(error) = channel.end.place(placed, connection.socket.as_fd()) else {
            return Outcome::Placed;
        };
        self.placing.take_back(worker);
        self.returned.push_front(connection);
        // Descriptors on their way are counted, too, and may be too many (unix(7)).
        if matches!(error, LinkError::Full | LinkError::Io(_)) {
            return Outcome::Refused;
        }
        self.break_off(worker);
        Outcome::Broken
    }

    /// Whether everything is taken back that is to be, if need be by another try.
    pub(super) fn has_taken_back(&mut self) -> bool {
        if self.is_short {
            self.take_back();
        }
        !self.is_short
    }

    /// Takes back what waits at workers that will not take it. Where descriptors do not suffice, what is left waits
    /// there.
    fn take_back(&mut self) {
        self.is_short = false;
        let abandoned = std::mem::take(&mut self.abandoned);
        for theirs in abandoned {
            let is_empty = take_back_from(&theirs, &mut self.returned, || {});
            if !is_empty {
                self.abandoned.push(theirs);
            }
            self.is_short |= !is_empty;
        }
        for (worker, channel) in &self.channels {
            if channel.is_over || self.placing.is_passed_over(*worker) {
                let placing = &mut self.placing;
                let count = || placing.take_back(*worker);
                self.is_short |= !take_back_from(&channel.theirs, &mut self.returned, count);
            }
        }
    }

    /// Whether a connection waits that no worker has taken.
    pub(super) fn has_untaken(&self) -> bool {
        let mut channels = self.channels.values().map(|channel| &channel.theirs);
        !self.returned.is_empty()
            || !self.abandoned.is_empty()
            || channels.any(|theirs| has_placed(theirs.as_fd()))
    }

    /// The accepting task waits, for a connection or for a change.
    pub(super) fn wait(&mut self, for_change: bool) {
        self.waits_for_change = for_change;
    }

    /// Whether the accepting task has to be told of a change.
    pub(super) fn must_wake(&self) -> bool {
        self.waits_for_change || self.is_short || !self.returned.is_empty()
    }
}

fn take_back_from(
    theirs: &OwnedFd,
    returned: &mut VecDeque<Connection>,
    mut count: impl FnMut(),
) -> bool {
    loop {
        match take(theirs.as_fd()) {
            Ok(Some((placed, socket))) => {
                count();
                let peer = placed.peer;
                returned.push_back(Connection { socket, peer });
            }
            Ok(None) => return true,
            Err(LinkError::Io(_)) => return false,
            // What cannot be read any more is empty.
            Err(_) => return true,
        }
    }
}
