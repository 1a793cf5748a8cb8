//! What waits to be sent: a queue and a window for each peer and lane.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::Closed;
use super::socket::{self, Ended};
use super::state::{Stage, State};
use super::wakes::{Dropped, Wakes};
use crate::messages::{Frame, Head, LONGEST_FRAME, Lane, Peer, WINDOW};
use crate::reactor::Registered;

/// Whether a message was handed over whole.
pub(super) type Sent = Result<(), Lost>;

/// Why a message is not sent, or no reply will come.
#[derive(Debug, Clone)]
pub(super) enum Lost {
    Gone(Peer),
    Closed(Closed),
}

/// A message on its way.
pub(super) struct Outgoing {
    ticket: Ticket,
    /// The bytes of its first frame without its part of the body.
    head: Vec<u8>,
    /// Whose request it is, if it is one.
    call: Option<u64>,
    body: Arc<Vec<u8>>,
    /// How many bytes of the body were sent.
    sent: usize,
    has_begun: bool,
    /// Told when it is sent whole, or cannot be.
    done: Option<oneshot::Sender<Sent>>,
    /// How many bytes to credit to the peer, in the lane of messages, when it is sent whole.
    pub(super) owes: u32,
}

/// A message's number in this endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What goes to one peer in one lane.
pub(super) struct Outlet {
    window: u32,
    queue: VecDeque<Outgoing>,
    /// Whether it is among those that have a turn.
    has_turn: bool,
}

/// A message that was not sent at once.
pub(super) struct Waiting {
    pub(super) ticket: Ticket,
    pub(super) sent: oneshot::Receiver<Sent>,
}

/// How many frames are sent before others have their turn with the endpoint.
const FRAMES_PER_TURN: usize = 32;

/// The bytes of a frame that goes on with a message, without its part of the body.
const MORE_HEAD: usize = 11;

impl Outgoing {
    pub(super) fn new(peer: Peer, head: Head<'_>, body: Arc<Vec<u8>>) -> Self {
        let first = Frame::First {
            peer,
            head,
            length: body.len() as u64,
            part: &[],
        };
        Self {
            ticket: Ticket(0),
            head: first.encode_without_part(),
            call: match head {
                Head::Request { call, .. } => Some(call),
                Head::Message { .. } | Head::Reply { .. } => None,
            },
            body,
            sent: 0,
            has_begun: false,
            done: None,
            owes: 0,
        }
    }

    fn head_length(&self) -> usize {
        match self.has_begun {
            true => MORE_HEAD,
            false => self.head.len(),
        }
    }

    /// How much of the body the next frame has.
    fn part_length(&self) -> usize {
        let room = LONGEST_FRAME - self.head_length();
        room.min(self.body.len() - self.sent)
    }

    fn frame_length(&self) -> u32 {
        // No frame is longer than `LONGEST_FRAME`.
        u32::try_from(self.head_length() + self.part_length()).unwrap_or(u32::MAX)
    }

    /// Sends the next frame; `false` when there is no room now.
    fn send(&mut self, socket: &Registered, (peer, lane): (Peer, Lane)) -> Result<bool, Ended> {
        let length = self.part_length();
        let part = &self.body[self.sent..self.sent + length];
        let is_sent = match self.has_begun {
            false => socket::send(socket.get_ref().as_fd(), &self.head, part)?,
            true => {
                let more = Frame::More { peer, lane, part };
                let head = more.encode_without_part();
                socket::send(socket.get_ref().as_fd(), &head, part)?
            }
        };
        if is_sent {
            self.has_begun = true;
            self.sent += length;
        }
        Ok(is_sent)
    }

    fn is_sent_whole(&self) -> bool {
        self.has_begun && self.sent == self.body.len()
    }

    /// It cannot be sent.
    pub(super) fn fail(mut self, lost: &Lost, wakes: &mut Wakes) {
        if let Some(done) = self.done.take() {
            wakes.sent.push((done, Err(lost.clone())));
        }
    }
}

impl Outlet {
    pub(super) fn new() -> Self {
        Self {
            window: WINDOW,
            queue: VecDeque::new(),
            has_turn: false,
        }
    }

    /// More may be sent; `false` when that is more than was taken away.
    pub(super) fn credit(&mut self, bytes: u32) -> bool {
        let window = self.window.checked_add(bytes).filter(|it| *it <= WINDOW);
        self.window = window.unwrap_or(self.window);
        window.is_some()
    }

    fn may_send(&self) -> bool {
        let next = self.queue.front();
        next.is_some_and(|next| next.frame_length() <= self.window)
    }

    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn into_queue(self) -> VecDeque<Outgoing> {
        self.queue
    }
}

/// What became of a turn.
enum Turn {
    Sent,
    Nothing,
    Blocked,
}

impl State {
    /// Sends a message, or queues it and says how to wait for it.
    pub(super) fn enqueue(
        &mut self,
        (peer, lane): (Peer, Lane),
        mut outgoing: Outgoing,
        wakes: &mut Wakes,
    ) -> Result<Option<Waiting>, Lost> {
        let ticket = self.queue_up((peer, lane), &mut outgoing)?;
        self.outlet(peer, lane).queue.push_back(outgoing);
        self.give_turn((peer, lane));
        self.send_what_may(wakes);
        if self.cannot_send {
            return Err(Lost::Closed(Closed::WatcherGone));
        }
        Ok(self.wait_for((peer, lane), ticket))
    }

    /// Queues a message that nobody waits for.
    pub(super) fn enqueue_unattended(&mut self, to: (Peer, Lane), mut outgoing: Outgoing) {
        // Nobody is told when its peer is gone.
        if self.queue_up(to, &mut outgoing).is_ok() {
            self.outlet(to.0, to.1).queue.push_back(outgoing);
            self.give_turn(to);
        }
    }

    fn queue_up(
        &mut self,
        (peer, _): (Peer, Lane),
        outgoing: &mut Outgoing,
    ) -> Result<Ticket, Lost> {
        if let Stage::Closed(closed) = &self.stage {
            return Err(Lost::Closed(closed.clone()));
        }
        if self.cannot_send {
            return Err(Lost::Closed(Closed::WatcherGone));
        }
        if !self.is_there(peer) {
            return Err(Lost::Gone(peer));
        }
        self.last_ticket += 1;
        outgoing.ticket = Ticket(self.last_ticket);
        Ok(outgoing.ticket)
    }

    /// A way to wait for a message, unless it is sent.
    fn wait_for(&mut self, (peer, lane): (Peer, Lane), ticket: Ticket) -> Option<Waiting> {
        let outlet = self.existing_outlet(peer, lane)?;
        let outgoing = outlet.queue.iter_mut().rev();
        let outgoing = outgoing.into_iter().find(|it| it.ticket == ticket)?;
        let (done, sent) = oneshot::channel();
        outgoing.done = Some(done);
        Some(Waiting { ticket, sent })
    }

    /// Takes back a message that has not begun. One that has is sent to its end, for the receiver's sake.
    pub(super) fn withdraw(
        &mut self,
        (peer, lane): (Peer, Lane),
        ticket: Ticket,
        wakes: &mut Wakes,
    ) {
        let Some(outlet) = self.existing_outlet(peer, lane) else {
            return;
        };
        let is_it = |outgoing: &Outgoing| outgoing.ticket == ticket && !outgoing.has_begun;
        if let Some(at) = outlet.queue.iter().position(is_it)
            && let Some(outgoing) = outlet.queue.remove(at)
        {
            wakes.dropped.push(Dropped::Outgoing(outgoing));
            // What comes after it may be shorter.
            self.give_turn((peer, lane));
            self.send_what_may(wakes);
        }
    }

    /// The outlet has a turn, if it has something to send and may.
    pub(super) fn give_turn(&mut self, (peer, lane): (Peer, Lane)) {
        if let Some(outlet) = self.existing_outlet(peer, lane)
            && !outlet.has_turn
            && outlet.may_send()
        {
            outlet.has_turn = true;
            self.turns.push_back((peer, lane));
        }
    }

    /// Sends what may be sent, as long as the socket takes it: credits first, then one frame of each outlet in turn.
    pub(super) fn send_what_may(&mut self, wakes: &mut Wakes) {
        let Stage::Open { socket, .. } = &self.stage else {
            return;
        };
        if self.is_blocked {
            return;
        }
        let socket = Arc::clone(socket);
        for _ in 0..FRAMES_PER_TURN {
            match self.take_turn(&socket, wakes) {
                Ok(Turn::Sent) => {}
                Ok(Turn::Nothing) => return,
                Ok(Turn::Blocked) => break,
                Err(Ended) => {
                    socket::hang_up(socket.get_ref().as_fd());
                    return self.stop_sending(wakes);
                }
            }
        }
        // The driver goes on when the socket takes more, and others had their turn.
        self.is_blocked = true;
        wakes.is_blocked = true;
    }

    /// Nothing can be sent any more, and whoever waits for that learns it at once. What came before the end is still to be
    /// read; the driver closes the endpoint after that.
    fn stop_sending(&mut self, wakes: &mut Wakes) {
        self.is_blocked = true;
        self.cannot_send = true;
        let lost = Lost::Closed(Closed::WatcherGone);
        for outlet in self.outlets() {
            outlet.has_turn = false;
            for outgoing in std::mem::take(&mut outlet.queue) {
                outgoing.fail(&lost, wakes);
            }
        }
        self.turns.clear();
    }

    fn take_turn(&mut self, socket: &Registered, wakes: &mut Wakes) -> Result<Turn, Ended> {
        if let Some(credit) = self.next_credit() {
            let is_sent = socket::send(socket.get_ref().as_fd(), &credit.encode(), &[])?;
            return Ok(match is_sent {
                true => {
                    self.note_credited();
                    Turn::Sent
                }
                false => Turn::Blocked,
            });
        }
        let Some(&(peer, lane)) = self.turns.front() else {
            return Ok(Turn::Nothing);
        };
        let is_sent = self.send_from((peer, lane), socket, wakes)?;
        if !is_sent {
            return Ok(Turn::Blocked);
        }
        self.turns.pop_front();
        if let Some(outlet) = self.existing_outlet(peer, lane) {
            outlet.has_turn = false;
        }
        self.give_turn((peer, lane));
        Ok(Turn::Sent)
    }

    /// Sends a frame of an outlet that has its turn; `false` when there is no room now.
    fn send_from(
        &mut self,
        (peer, lane): (Peer, Lane),
        socket: &Registered,
        wakes: &mut Wakes,
    ) -> Result<bool, Ended> {
        let Some(outlet) = self.existing_outlet(peer, lane) else {
            return Ok(true);
        };
        if !outlet.may_send() {
            return Ok(true);
        }
        let Some(outgoing) = outlet.queue.front_mut() else {
            return Ok(true);
        };
        let length = outgoing.frame_length();
        if !outgoing.send(socket, (peer, lane))? {
            return Ok(false);
        }
        outlet.window -= length;
        let call = outgoing.call;
        if outgoing.is_sent_whole()
            && let Some(mut outgoing) = outlet.queue.pop_front()
        {
            if let Some(done) = outgoing.done.take() {
                wakes.sent.push((done, Ok(())));
            }
            self.owe(peer, Lane::Messages, outgoing.owes);
        }
        if let Some(call) = call {
            self.note_call_begun(call);
        }
        Ok(true)
    }
}
