//! What an endpoint knows, under its lock: who is there, and what goes to and comes from each of them.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::os::fd::AsFd;
use std::sync::Arc;

use super::Closed;
use super::answering::Answerer;
use super::calls::{CallSlots, Pending};
use super::incoming::Inlet;
use super::outgoing::{Lost, Outlet};
use super::socket;
use super::subscribers::Subscriber;
use super::wakes::{Dropped, Wakes};
use crate::messages::{Frame, Lane, Peer};
use crate::reactor::Registered;

pub(super) struct State {
    own: Peer,
    pub(super) stage: Stage,
    /// The workers that can be reached, without this one.
    present: BTreeSet<Peer>,
    /// Whether the watcher's application exchanges no messages any more; it never does again.
    application_is_gone: bool,
    exchanges: BTreeMap<Peer, Exchange>,
    /// The outlets that may send, in the order of their turns.
    pub(super) turns: VecDeque<(Peer, Lane)>,
    /// The inlets that owe enough for a frame.
    credits: VecDeque<(Peer, Lane)>,
    /// Whether the socket takes nothing more until the driver has seen that it does.
    pub(super) is_blocked: bool,
    /// Whether the socket takes nothing any more, though there may be something to read.
    pub(super) cannot_send: bool,
    pub(super) last_ticket: u64,
    pub(super) last_call: u64,
    pub(super) subscribers: BTreeMap<Arc<str>, Subscriber>,
    pub(super) answerers: BTreeMap<Arc<str>, Answerer>,
    pub(super) calls: HashMap<u64, Pending>,
    pub(super) call_slots: HashMap<(Peer, Arc<str>), CallSlots>,
}

/// The stages of an endpoint in the order of its life.
pub(super) enum Stage {
    /// Nobody has used it yet.
    Unused,
    /// Its socket was asked for.
    Opening,
    Open {
        socket: Arc<Registered>,
        /// How long a message may be in bytes.
        limit: usize,
        /// Whether everybody who is there has been told of.
        is_attached: bool,
    },
    /// There is nobody else, and never will be.
    Alone,
    Closed(Closed),
}

/// What goes to and comes from one peer.
struct Exchange {
    outlets: [Outlet; 2],
    inlets: [Inlet; 2],
}

impl State {
    pub(super) fn new(own: Peer, stage: Stage) -> Self {
        Self {
            own,
            stage,
            present: BTreeSet::new(),
            application_is_gone: false,
            exchanges: BTreeMap::new(),
            turns: VecDeque::new(),
            credits: VecDeque::new(),
            is_blocked: false,
            cannot_send: false,
            last_ticket: 0,
            last_call: 0,
            subscribers: BTreeMap::new(),
            answerers: BTreeMap::new(),
            calls: HashMap::new(),
            call_slots: HashMap::new(),
        }
    }

    /// Whether a message to this peer may arrive. We are always there, and the watcher until it is told to be gone.
    pub(super) fn is_there(&self, peer: Peer) -> bool {
        match peer {
            own if own == self.own => true,
            Peer::Watcher => !self.application_is_gone,
            worker => self.present.contains(&worker),
        }
    }

    /// Every other worker that is there.
    pub(super) fn others(&self) -> Vec<Peer> {
        self.present.iter().copied().collect()
    }

    pub(super) fn welcome(&mut self, peer: Peer) {
        if peer != self.own && peer != Peer::Watcher {
            self.present.insert(peer);
        }
    }

    /// A peer is gone: nothing goes to it any more, and what was not complete never will be.
    pub(super) fn lose(&mut self, peer: Peer, wakes: &mut Wakes) {
        self.present.remove(&peer);
        self.application_is_gone |= peer == Peer::Watcher;
        self.forget_what_waits(peer);
        let lost = Lost::Gone(peer);
        if let Some(exchange) = self.exchanges.remove(&peer) {
            exchange.fail(&lost, wakes);
        }
        self.fail_calls(Some(peer), &lost, wakes);
    }

    /// The books about a peer are closed: what is taken of its messages later is not credited, and what it asked for and is
    /// not begun has nobody who waits for it.
    fn forget_what_waits(&mut self, peer: Peer) {
        for subscriber in self.subscribers.values_mut() {
            subscriber.owe_nothing(peer);
        }
        for answerer in self.answerers.values_mut() {
            answerer.forget_waiting(peer);
        }
    }

    /// The end: everybody who waits learns why.
    pub(super) fn close(&mut self, closed: &Closed, wakes: &mut Wakes) {
        if matches!(self.stage, Stage::Closed(_) | Stage::Alone) {
            return;
        }
        if let Stage::Open { socket, .. } = &self.stage {
            // A driver whose runtime hangs has it, too, and keeps it open.
            socket::hang_up(socket.get_ref().as_fd());
        }
        self.stage = Stage::Closed(closed.clone());
        wakes.stage_changed = true;
        let lost = Lost::Closed(closed.clone());
        for (_, exchange) in std::mem::take(&mut self.exchanges) {
            exchange.fail(&lost, wakes);
        }
        self.present.clear();
        self.fail_calls(None, &lost, wakes);
        for subscriber in self.subscribers.values_mut() {
            wakes.wakers.extend(subscriber.waker.take());
        }
        let answerers = std::mem::take(&mut self.answerers);
        let answerers = answerers.into_values().map(Dropped::Answerer);
        wakes.dropped.extend(answerers);
    }

    pub(super) fn outlet(&mut self, peer: Peer, lane: Lane) -> &mut Outlet {
        let exchange = self.exchanges.entry(peer).or_insert_with(Exchange::new);
        &mut exchange.outlets[lane.index()]
    }

    pub(super) fn outlets(&mut self) -> impl Iterator<Item = &mut Outlet> {
        let exchanges = self.exchanges.values_mut();
        exchanges.flat_map(|exchange| &mut exchange.outlets)
    }

    pub(super) fn existing_outlet(&mut self, peer: Peer, lane: Lane) -> Option<&mut Outlet> {
        let exchange = self.exchanges.get_mut(&peer)?;
        Some(&mut exchange.outlets[lane.index()])
    }

    pub(super) fn inlet(&mut self, peer: Peer, lane: Lane) -> &mut Inlet {
        let exchange = self.exchanges.entry(peer).or_insert_with(Exchange::new);
        &mut exchange.inlets[lane.index()]
    }

    pub(super) fn existing_inlet(&mut self, peer: Peer, lane: Lane) -> Option<&mut Inlet> {
        let exchange = self.exchanges.get_mut(&peer)?;
        Some(&mut exchange.inlets[lane.index()])
    }

    /// So many bytes of what came from a peer are consumed. It is told when they are worth a frame.
    pub(super) fn owe(&mut self, peer: Peer, lane: Lane, bytes: u32) {
        if bytes > 0
            && let Some(inlet) = self.existing_inlet(peer, lane)
            && inlet.owe(bytes)
        {
            self.credits.push_back((peer, lane));
        }
    }

    /// The frame that tells the next peer what was consumed.
    pub(super) fn next_credit(&mut self) -> Option<Frame<'static>> {
        loop {
            let &(peer, lane) = self.credits.front()?;
            match self
                .existing_inlet(peer, lane)
                .map_or(0, |inlet| inlet.owed())
            {
                // The peer is gone.
                0 => self.credits.pop_front(),
                bytes => return Some(Frame::Credit { peer, lane, bytes }),
            };
        }
    }

    /// That frame is sent.
    pub(super) fn note_credited(&mut self) {
        if let Some((peer, lane)) = self.credits.pop_front()
            && let Some(inlet) = self.existing_inlet(peer, lane)
        {
            inlet.pay();
        }
    }
}

#[cfg(test)]
impl State {
    /// How many messages wait to be sent to a peer.
    pub(super) fn waiting(&self, peer: Peer) -> usize {
        let exchange = self.exchanges.get(&peer);
        exchange.map_or(0, |exchange| exchange.outlets[0].waiting())
    }

    /// How many bytes of a peer's messages and requests are held, whole or in part, and those being answered not included.
    pub(super) fn held(&self, peer: Peer) -> usize {
        let exchange = self.exchanges.get(&peer);
        let arriving = exchange.map_or(0, |it| it.inlets.iter().map(Inlet::held).sum());
        let subscribers = self.subscribers.values();
        let untaken: usize = subscribers.map(|it| it.held(peer)).sum();
        let answerers = self.answerers.values();
        let unanswered: usize = answerers.map(|it| it.held(peer)).sum();
        arriving + untaken + unanswered
    }

    /// How much there is that belongs to calls.
    pub(super) fn traces_of_calls(&self) -> usize {
        self.calls.len() + self.call_slots.len()
    }
}

impl Exchange {
    fn new() -> Self {
        Self {
            outlets: [Outlet::new(), Outlet::new()],
            inlets: [Inlet::default(), Inlet::default()],
        }
    }

    fn fail(self, lost: &Lost, wakes: &mut Wakes) {
        for outlet in self.outlets {
            for outgoing in outlet.into_queue() {
                outgoing.fail(lost, wakes);
            }
        }
    }
}
