//! What arrives: frames become messages, and messages go to whom they are for.

use std::sync::Arc;

use super::calls::Awaited;
use super::outgoing::Outgoing;
use super::state::{Stage, State};
use super::subscribers::Received;
use super::wakes::Wakes;
use crate::link::DecodeError;
use crate::messages::{
    Disorder, Frame, Head, KEPT, LONGEST_FRAME, Lane, Outcome, Peer, Progress, WINDOW,
};

/// What comes from one peer in one lane.
#[derive(Default)]
pub(super) struct Inlet {
    progress: Progress,
    arriving: Option<Arriving>,
    /// How many bytes of frames came and were not credited.
    outstanding: u32,
    /// How many of them are consumed.
    owed: u32,
    /// Whether it is among those that owe enough for a frame.
    is_due: bool,
    /// Whether there is a long message that nobody has taken yet.
    has_long: bool,
}

/// What a message takes of its sender's window until it is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Kept {
    pub(super) bytes: u32,
    /// Whether there is more of it than that: what came beyond [`KEPT`] was credited when it came. Of each peer there is one such
    /// message at a time, so that all that waits here of one peer's is never more than that one and a window.
    is_long: bool,
}

/// A message that has begun to arrive.
struct Arriving {
    purpose: Purpose,
    body: Vec<u8>,
    /// How long the body will be.
    length: usize,
    /// What of its frames is not credited yet.
    kept: Kept,
}

/// What is to become of a message.
enum Purpose {
    Message(Arc<str>),
    Request {
        call: u64,
        event: Arc<str>,
    },
    Reply {
        call: u64,
        outcome: Outcome,
    },
    /// A request that is answered by the endpoint itself.
    Refused {
        call: u64,
        outcome: Outcome,
        reason: String,
    },
    /// A reply that is too long.
    Excess {
        call: u64,
        reason: String,
    },
    /// A reply that nobody waits for any more.
    TooLate {
        call: u64,
    },
    Unwanted,
}

/// Why what arrives means that the socket is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum Nonsense {
    #[error(transparent)]
    Frame(#[from] DecodeError),
    #[error(transparent)]
    Disorder(#[from] Disorder),
    #[error("more than the window allows")]
    Overdrawn,
    #[error("more credit than was taken")]
    Overpaid,
}

/// From how many bytes on a peer is told what was consumed: seldom enough to cost little, and early enough that a window
/// that lacks this, and what is kept of one message, still has room for the longest frame.
const WORTH_A_FRAME: u32 = 32 * 1024;

/// How many bytes of replies may come beyond the window of the peer that they are from: those by which the watcher answers for
/// it as long as it uses no messages, and of which it knows nothing when it begins to. Each is shorter than its request, so
/// what has not been credited are those to a window full of requests, a few that wait in the watcher, and what was not
/// worth a frame before.
const MOST_ANSWERS_FOR_OTHERS: u32 = WINDOW + 2 * WORTH_A_FRAME;

const _: () = assert!(WORTH_A_FRAME + KEPT + LONGEST_FRAME as u32 <= WINDOW);

/// How much room a message gets before any of it has come. It says itself how long it is, which need not be true.
const ADVANCE: usize = 1024 * 1024;

impl Inlet {
    /// So many bytes are consumed; whether it is to be told now, which is said once.
    pub(super) fn owe(&mut self, bytes: u32) -> bool {
        self.owed += bytes;
        let becomes_due = self.owed >= WORTH_A_FRAME && !self.is_due;
        self.is_due |= becomes_due;
        becomes_due
    }

    pub(super) fn owed(&self) -> u32 {
        self.owed
    }

    /// How many bytes of memory the message takes that arrives.
    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        let arriving = self.arriving.as_ref();
        arriving.map_or(0, |it| it.body.len())
    }

    /// The long message was taken: the one that arrives may be the next. How many of its bytes can be credited for that.
    fn let_another_be_long(&mut self) -> u32 {
        self.has_long = false;
        let arriving = self.arriving.as_mut();
        arriving.map_or(0, |arriving| arriving.release(&mut self.has_long))
    }

    /// What is owed was told.
    pub(super) fn pay(&mut self) {
        self.outstanding -= self.owed;
        self.owed = 0;
        self.is_due = false;
    }

    fn receive(&mut self, bytes: u32, lane: Lane) -> Result<(), Nonsense> {
        let most = match lane {
            Lane::Messages => WINDOW,
            Lane::Replies => WINDOW + MOST_ANSWERS_FOR_OTHERS,
        };
        let outstanding = self.outstanding.checked_add(bytes);
        let outstanding = outstanding.filter(|it| *it <= most);
        self.outstanding = outstanding.ok_or(Nonsense::Overdrawn)?;
        Ok(())
    }
}

impl State {
    /// Takes in one frame: input from a stranger.
    pub(super) fn accept(&mut self, bytes: &[u8], wakes: &mut Wakes) -> Result<(), Nonsense> {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        match Frame::decode(bytes)? {
            Frame::First {
                peer,
                head,
                length: body,
                part,
            } => {
                let purpose = self.purpose(peer, &head, body);
                let inlet = self.inlet(peer, head.lane());
                inlet.receive(length, head.lane())?;
                inlet.progress.begin(body, part.len())?;
                inlet.arriving = Some(Arriving::new(purpose, body));
                self.append((peer, head.lane()), part, length, wakes);
            }
            Frame::More { peer, lane, part } => self.go_on((peer, lane), part, length, wakes)?,
            Frame::Credit { peer, lane, bytes } => self.note_credit((peer, lane), bytes)?,
            Frame::Present { peer } => self.welcome(peer),
            Frame::Gone { peer } => self.lose(peer, wakes),
            Frame::Attached => self.note_attached(wakes),
        }
        self.send_what_may(wakes);
        Ok(())
    }

    fn go_on(
        &mut self,
        (peer, lane): (Peer, Lane),
        part: &[u8],
        length: u32,
        wakes: &mut Wakes,
    ) -> Result<(), Nonsense> {
        let inlet = self.inlet(peer, lane);
        inlet.receive(length, lane)?;
        if inlet.arriving.is_none() {
            // It began before this endpoint was attached.
            self.owe(peer, lane, length);
        } else {
            inlet.progress.go_on(part.len())?;
            self.append((peer, lane), part, length, wakes);
        }
        Ok(())
    }

    fn note_credit(&mut self, from: (Peer, Lane), bytes: u32) -> Result<(), Nonsense> {
        let outlet = self.existing_outlet(from.0, from.1);
        // Whom nothing was ever sent to, or who is gone, has nothing to credit; that harms nobody.
        if outlet.is_some_and(|outlet| !outlet.credit(bytes)) {
            return Err(Nonsense::Overpaid);
        }
        self.give_turn(from);
        Ok(())
    }

    fn note_attached(&mut self, wakes: &mut Wakes) {
        if let Stage::Open { is_attached, .. } = &mut self.stage {
            *is_attached = true;
            wakes.stage_changed = true;
        }
    }

    fn limit(&self) -> usize {
        match &self.stage {
            Stage::Open { limit, .. } => *limit,
            _ => 0,
        }
    }

    fn purpose(&self, peer: Peer, head: &Head<'_>, length: u64) -> Purpose {
        let limit = self.limit();
        let excess = || format!("it is {length} bytes long, and the limit is {limit} bytes");
        let fits = length <= limit as u64;
        match *head {
            Head::Message { event } => match self.subscribers.get_key_value(event) {
                Some((event, _)) if fits => Purpose::Message(Arc::clone(event)),
                _ => Purpose::Unwanted,
            },
            Head::Request { call, event } => match self.answerers.get_key_value(event) {
                Some((event, _)) if fits => Purpose::Request {
                    call,
                    event: Arc::clone(event),
                },
                Some(_) => Purpose::Refused {
                    call,
                    outcome: Outcome::Misunderstood,
                    reason: excess(),
                },
                None => Purpose::refused(call),
            },
            Head::Reply { call, outcome } => match self.awaits_reply(peer, call) {
                Awaited::Yes if fits => Purpose::Reply { call, outcome },
                Awaited::Yes => Purpose::Excess {
                    call,
                    reason: excess(),
                },
                Awaited::TooLate => Purpose::TooLate { call },
                Awaited::Never => Purpose::Unwanted,
            },
        }
    }

    fn append(&mut self, (peer, lane): (Peer, Lane), part: &[u8], frame: u32, wakes: &mut Wakes) {
        let inlet = self.inlet(peer, lane);
        let Some(arriving) = &mut inlet.arriving else {
            return;
        };
        if arriving.purpose.has_use_for_the_body() {
            arriving.add(part);
        }
        let consumed = match lane {
            Lane::Replies => frame,
            Lane::Messages => arriving.keep(frame, &mut inlet.has_long),
        };
        let is_complete = !inlet.progress.is_within();
        let complete = is_complete.then(|| inlet.arriving.take()).flatten();
        self.owe(peer, lane, consumed);
        if let Some(complete) = complete {
            self.deliver(peer, complete, wakes);
        }
    }

    fn deliver(&mut self, peer: Peer, arrived: Arriving, wakes: &mut Wakes) {
        let Arriving {
            purpose,
            body,
            kept,
            ..
        } = arrived;
        let received = |body| Received {
            from: peer,
            body,
            kept,
        };
        match purpose {
            Purpose::Message(event) => self.deliver_message(&event, received(body), wakes),
            Purpose::Request { call, event } => {
                self.deliver_request(call, event, received(body), wakes);
            }
            Purpose::Refused {
                call,
                outcome,
                reason,
            } => self.refuse(peer, call, outcome, reason.into_bytes(), kept.bytes),
            Purpose::Reply { call, outcome } => self.settle_call(call, outcome, body, wakes),
            Purpose::Excess { call, reason } => {
                self.settle_call(call, Outcome::Unsendable, reason.into_bytes(), wakes);
            }
            Purpose::TooLate { call } => {
                self.settle_call(call, Outcome::Answered, Vec::new(), wakes);
            }
            Purpose::Unwanted => self.consume(peer, kept),
        }
    }

    /// A message is taken, or nobody will: what was kept of it is credited.
    pub(super) fn consume(&mut self, peer: Peer, kept: Kept) {
        let mut consumed = kept.bytes;
        if kept.is_long
            && let Some(inlet) = self.existing_inlet(peer, Lane::Messages)
        {
            consumed += inlet.let_another_be_long();
        }
        self.owe(peer, Lane::Messages, consumed);
    }

    /// Answers a request that nobody else answers. What it took of the window is credited with the answer: so whoever
    /// takes no answers gets no more of them than a window of requests.
    pub(super) fn refuse(
        &mut self,
        peer: Peer,
        call: u64,
        outcome: Outcome,
        reason: Vec<u8>,
        kept: u32,
    ) {
        let reply = Head::Reply { call, outcome };
        let mut outgoing = Outgoing::new(peer, reply, Arc::new(reason));
        outgoing.owes = kept;
        self.enqueue_unattended((peer, Lane::Replies), outgoing);
    }
}

impl Arriving {
    fn new(purpose: Purpose, length: u64) -> Self {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let room = match purpose.has_use_for_the_body() {
            true => length.min(ADVANCE),
            false => 0,
        };
        Self {
            purpose,
            body: Vec::with_capacity(room),
            length,
            kept: Kept::default(),
        }
    }

    /// Adds a part to the body, which gets more room as more of it has come, and never more than it needs.
    fn add(&mut self, part: &[u8]) {
        let length = self.body.len();
        if self.body.capacity() - length < part.len() {
            let missing = self.length.saturating_sub(length);
            self.body.reserve_exact(missing.min(length.max(part.len())));
        }
        self.body.extend_from_slice(part);
    }

    /// Keeps what may be kept of a frame's bytes; the others are returned, and are credited.
    fn keep(&mut self, frame: u32, has_long: &mut bool) -> u32 {
        if matches!(self.purpose, Purpose::Unwanted) {
            return frame;
        }
        self.kept.bytes += frame;
        self.release(has_long)
    }

    /// Gives back what is kept beyond [`KEPT`], unless the message would be the second long one of its peer: then its sender
    /// waits until that one is taken. One whose body is dropped takes no memory, however long it is.
    fn release(&mut self, has_long: &mut bool) -> u32 {
        let beyond = self.kept.bytes.saturating_sub(KEPT);
        if beyond > 0 && self.purpose.has_use_for_the_body() && !self.kept.is_long {
            if *has_long {
                return 0;
            }
            *has_long = true;
            self.kept.is_long = true;
        }
        self.kept.bytes -= beyond;
        beyond
    }
}

impl Purpose {
    fn refused(call: u64) -> Self {
        Self::Refused {
            call,
            outcome: Outcome::NobodyAnswers,
            reason: String::new(),
        }
    }

    fn has_use_for_the_body(&self) -> bool {
        matches!(
            self,
            Self::Message(_) | Self::Request { .. } | Self::Reply { .. }
        )
    }
}
