//! All that goes between one peer and another, as far as the first one is told of it.

use super::flow::{Incoming, Outgoing};
use crate::messages::{Frame, Lane, Peer};

/// What one peer is told about another.
#[derive(Debug, Default)]
pub(super) struct Passage {
    /// Whether it knows that the other is there.
    is_told: bool,
    /// Whether it is to be told that the other is gone although it has not been told that it was there.
    is_asked: bool,
    /// Whether it has written to the other.
    is_addressed: bool,
    /// Whether the other is gone.
    is_gone: bool,
    /// Whether it waits for its turn.
    pub(super) is_queued: bool,
    messages: Incoming,
    replies: Incoming,
    sent_messages: Outgoing,
    sent_replies: Outgoing,
}

/// What is to be said next.
#[derive(Debug)]
pub(super) enum Next {
    /// About the other.
    Word(Vec<u8>),
    /// A frame of the other's.
    Theirs(Vec<u8>),
    /// An answer of our own in its place.
    Ours(Vec<u8>),
    /// The other is gone, and was told of or asked for.
    Farewell {
        frame: Vec<u8>,
        was_asked: bool,
    },
    Nothing,
}

/// What is left to say about one that is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Left {
    Nothing,
    /// That it is gone, to one who has not been told that it was there and has written to it.
    Answer,
    Farewell,
}

impl Passage {
    /// To one who need not be told of: the watcher, and the peer itself.
    pub(super) fn familiar() -> Self {
        Self {
            is_told: true,
            ..Self::default()
        }
    }

    /// To one who is gone or never was.
    pub(super) fn to_nobody() -> Self {
        Self {
            is_asked: true,
            is_gone: true,
            ..Self::default()
        }
    }

    pub(super) fn is_gone(&self) -> bool {
        self.is_gone
    }

    /// How many bytes of memory what waits takes.
    pub(super) fn weight(&self) -> usize {
        self.messages.weight() + self.replies.weight()
    }

    /// How many bytes of the other's wait.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn waiting(&self) -> u32 {
        self.messages.waiting() + self.replies.waiting()
    }

    pub(super) fn incoming(&mut self, lane: Lane) -> &mut Incoming {
        match lane {
            Lane::Messages => &mut self.messages,
            Lane::Replies => &mut self.replies,
        }
    }

    /// What it writes to the other.
    pub(super) fn address(&mut self, lane: Lane) -> &mut Outgoing {
        self.is_addressed = true;
        self.outgoing(lane)
    }

    pub(super) fn outgoing(&mut self, lane: Lane) -> &mut Outgoing {
        match lane {
            Lane::Messages => &mut self.sent_messages,
            Lane::Replies => &mut self.sent_replies,
        }
    }

    /// The other is gone: what it had sent is still delivered, and nothing is credited any more. What is left to say
    /// about it.
    pub(super) fn lose(&mut self) -> Left {
        self.is_gone = true;
        self.sent_messages = Outgoing::default();
        self.sent_replies = Outgoing::default();
        if self.is_told || self.has_frames() {
            return Left::Farewell;
        }
        self.is_asked = self.is_addressed;
        match self.is_asked {
            true => Left::Answer,
            false => Left::Nothing,
        }
    }

    /// Forgets what waits. How many answers of our own were among it.
    pub(super) fn drop_frames(&mut self) -> usize {
        self.messages.clear() + self.replies.clear()
    }

    pub(super) fn has_frames(&self) -> bool {
        !self.messages.is_empty() || !self.replies.is_empty()
    }

    /// It knows of the other otherwise.
    pub(super) fn note_told(&mut self) {
        self.is_told = true;
    }

    /// Tells of the other, if that is needed before anything else.
    pub(super) fn introduce(&mut self, other: Peer) -> Option<Vec<u8>> {
        let is_due = !self.is_told && (!self.is_gone || self.has_frames());
        self.is_told |= is_due;
        is_due.then(|| Frame::Present { peer: other }.encode())
    }

    /// What is to be said next: who the other is, what it has consumed, what it has sent, and its end.
    pub(super) fn next(&mut self, other: Peer) -> Next {
        if let Some(frame) = self.introduce(other) {
            return Next::Word(frame);
        }
        for lane in Lane::ALL {
            if let Some(bytes) = self.outgoing(lane).take_credit() {
                let peer = other;
                return Next::Word(Frame::Credit { peer, lane, bytes }.encode());
            }
        }
        for lane in [Lane::Replies, Lane::Messages] {
            match self.incoming(lane).pop() {
                Some((frame, true)) => return Next::Ours(frame),
                Some((frame, false)) => return Next::Theirs(frame),
                None => {}
            }
        }
        if self.is_gone && (self.is_told || self.is_asked) {
            let frame = Frame::Gone { peer: other }.encode();
            let was_asked = self.is_asked;
            return Next::Farewell { frame, was_asked };
        }
        Next::Nothing
    }
}
