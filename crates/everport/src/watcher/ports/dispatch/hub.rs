//! What the parts of one dispatched port share: its channels, and the connections that are on no channel.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use everport_core::Serving;

use super::placing::{Nonsense, Placing};
use crate::link::{LinkError, Placed, PlacingEnd, Report, Taken, has_placed, take};
use crate::watcher::Placement;
use crate::{SlotId, WorkerId};

/// Everything about one port that its tasks and the watcher's loop both change.
#[derive(Debug)]
pub(super) struct Hub {
    placing: Placing,
    channels: BTreeMap<WorkerId, Channel>,
    /// How many channels there ever were.
    opened: u64,
    /// Channels of workers that are gone, kept as long as the watcher is too short of descriptors to empty them.
    abandoned: Vec<Arc<OwnedFd>>,
    /// Taken back, and to be placed before anything else. As many as fit into all channels at most.
    returned: VecDeque<Connection>,
    /// Whether descriptors did not suffice to take everything back.
    pub(super) is_short: bool,
    /// Whether new connections are accepted.
    pub(super) is_open: bool,
    /// Whether that ends as soon as none waits.
    pub(super) is_closing: bool,
    /// Whether the accepting task waits for something else than a connection.
    waits_for_change: bool,
}

/// A connection that no worker has.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    pub(super) peer: Option<SocketAddr>,
}

/// One channel of one worker, which may have had others: what was said on those does not count for this one.
#[derive(Debug, Clone, Copy)]
pub(super) struct ChannelId {
    pub(super) worker: WorkerId,
    number: u64,
}

/// The way to one worker.
#[derive(Debug)]
struct Channel {
    /// Which of all channels it is.
    number: u64,
    end: Arc<PlacingEnd>,
    /// The worker's end, which we hold as well: what it has not taken is read back from there.
    theirs: Arc<OwnedFd>,
    /// Whether nothing was placed there since it was last emptied. What a worker says of that does not count.
    is_empty: bool,
    /// Whether the worker takes nothing from it any more.
    is_over: bool,
    /// What the worker was found to have said that cannot be.
    nonsense: Option<Nonsense>,
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
            opened: 0,
            abandoned: Vec::new(),
            returned: VecDeque::new(),
            is_short: false,
            is_open: true,
            is_closing: false,
            waits_for_change: false,
        }
    }

    pub(super) fn join(
        &mut self,
        worker: WorkerId,
        slot: SlotId,
        (end, theirs): (Arc<PlacingEnd>, Arc<OwnedFd>),
    ) -> ChannelId {
        self.placing.join(worker, slot);
        self.opened += 1;
        let number = self.opened;
        let channel = Channel {
            number,
            end,
            theirs,
            is_empty: true,
            is_over: false,
            nonsense: None,
        };
        self.channels.insert(worker, channel);
        ChannelId { worker, number }
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
    fn end(&mut self, worker: WorkerId) {
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

    /// The worker has spoken on this channel.
    pub(super) fn hear(&mut self, id: ChannelId, report: Report) -> Result<(), Nonsense> {
        if !self.is_current(id) {
            return Ok(());
        }
        self.placing.hear(id.worker, report)?;
        if report.is_last {
            self.end(id.worker);
        }
        Ok(())
    }

    /// Something is wrong with this channel; `false` when it is not the worker's any more.
    pub(super) fn fail(&mut self, id: ChannelId) -> bool {
        let is_current = self.is_current(id);
        if is_current {
            self.break_off(id.worker);
        }
        is_current
    }

    fn is_current(&self, id: ChannelId) -> bool {
        let channel = self.channels.get(&id.worker);
        channel.is_some_and(|channel| channel.number == id.number)
    }

    /// Who is given the next connection; `None` while nobody takes any, or has room for one.
    pub(super) fn next(&self) -> Option<WorkerId> {
        self.placing.next()
    }

    /// Takes one that was taken back, or that can be taken back now that descriptors are free again.
    pub(super) fn next_returned(&mut self) -> Option<Connection> {
        if self.returned.is_empty() && self.is_short {
            self.take_back();
        }
        self.returned.pop_front()
    }

    /// Gives the connection to the worker; one that could not be placed is the next again.
    pub(super) fn place(&mut self, worker: WorkerId, connection: Connection) -> Outcome {
        let Some(channel) = self.channels.get_mut(&worker) else {
            self.returned.push_front(connection);
            return Outcome::Broken;
        };
        channel.is_empty = false;
        let request = self.placing.place(worker);
        let placed = Placed {
            is_acknowledged: request.is_acknowledged,
            tells_end: request.tells_end,
            peer: connection.peer,
        };
        let Err(error) = channel.end.place(placed, connection.socket.as_fd()) else {
            return Outcome::Placed;
        };
        // It was counted just now, so there is one to be counted off.
        let _counted = self.placing.take_back(worker);
        self.returned.push_front(connection);
        // Descriptors on their way are counted, too, and may be too many (unix(7)).
        if matches!(error, LinkError::Full | LinkError::Io(_)) {
            return Outcome::Refused;
        }
        self.break_off(worker);
        Outcome::Broken
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
        let role = self.placing.best_role();
        for (worker, channel) in &mut self.channels {
            // Of a thousand workers most have been given nothing since, and to look costs three system calls.
            if channel.is_empty {
                continue;
            }
            if channel.is_over || self.placing.is_passed_over(*worker, role) {
                let (placing, nonsense) = (&mut self.placing, &mut channel.nonsense);
                let count = || {
                    if let Err(error) = placing.take_back(*worker) {
                        nonsense.get_or_insert(error);
                    }
                };
                channel.is_empty = take_back_from(&channel.theirs, &mut self.returned, count);
                self.is_short |= !channel.is_empty;
            }
        }
        self.break_off_liars();
    }

    /// Ends the channels of those that left what they said to have taken.
    fn break_off_liars(&mut self) {
        for (worker, channel) in &mut self.channels {
            if channel.nonsense.is_some() && !channel.is_over {
                channel.is_over = true;
                channel.end.hang_up();
                self.placing.leave(*worker);
            }
        }
    }

    /// What the worker was found to have said that cannot be.
    pub(super) fn nonsense(&self, id: ChannelId) -> Option<Nonsense> {
        self.channels.get(&id.worker)?.nonsense
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
            Ok(Some(Taken { placed, socket })) => {
                count();
                // Descriptors have run out at this very moment, which cost this one its own.
                let Some(socket) = socket else { return false };
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

#[cfg(test)]
mod tests;
