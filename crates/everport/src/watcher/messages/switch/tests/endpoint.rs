//! An endpoint that keeps the rules, and looks whether the switch does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::messages::{Frame, Head, Lane, Outcome, Peer, WINDOW};
use crate::random::Random;

/// What one peer does with the others.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) peer: Peer,
    /// Its socket's two directions.
    pub(super) sent: VecDeque<Vec<u8>>,
    pub(super) to_read: VecDeque<Vec<u8>>,
    pub(super) is_attached: bool,
    present: BTreeSet<Peer>,
    gone: BTreeSet<Peer>,
    /// Of whom it may be told that they are gone without having been told of: it has written to them.
    addressed: BTreeSet<Peer>,
    pub(super) outgoing: BTreeMap<(Peer, Lane), Outgoing>,
    pub(super) incoming: BTreeMap<(Peer, Lane), Incoming>,
    /// Requests that wait for a reply, and replies that say that nobody answers.
    pub(super) unanswered: usize,
}

/// What it has sent to somebody.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) window: u32,
    next: u64,
    rest: u64,
    offset: u64,
}

/// What it has received from somebody.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    /// The number of the message that came last, and how much of it is missing.
    pub(super) last: Option<u64>,
    missing: u64,
    offset: u64,
    /// How much it has yet to credit.
    pub(super) uncredited: u32,
    pub(super) whole: u64,
}

/// The event of messages whose senders do not keep the rules.
pub(super) const HOSTILE: &str = "hostile";

/// The longest part of a body in a frame of these tests.
const PART: u64 = 20_000;

impl Default for Outgoing {
    fn default() -> Self {
        Self {
            window: WINDOW,
            next: 0,
            rest: 0,
            offset: 0,
        }
    }
}

impl Endpoint {
    pub(super) fn new(peer: Peer) -> Self {
        Self {
            peer,
            sent: VecDeque::new(),
            to_read: VecDeque::new(),
            is_attached: false,
            present: BTreeSet::new(),
            gone: BTreeSet::new(),
            addressed: BTreeSet::new(),
            outgoing: BTreeMap::new(),
            incoming: BTreeMap::new(),
            unanswered: 0,
        }
    }

    /// Sends the next frame to somebody, if the window allows it: of a message that was begun, or the first of a new one.
    pub(super) fn send(&mut self, to: Peer, lane: Lane, random: &mut Random) {
        if self.gone.contains(&to) {
            return;
        }
        let outgoing = self.outgoing.entry((to, lane)).or_default();
        let is_new = outgoing.rest == 0;
        let (rest, offset, number) = if is_new {
            let length = [0, 10, 3_000, 70_000, 600_000][random.below(5) as usize];
            (length, 0, outgoing.next)
        } else {
            (outgoing.rest, outgoing.offset, outgoing.next)
        };
        let part = body(number, offset, rest.min(PART));
        let event = number.to_string();
        let frame = if is_new {
            Frame::First {
                peer: to,
                head: head(lane, number, &event),
                length: rest,
                part: &part,
            }
        } else {
            Frame::More {
                peer: to,
                lane,
                part: &part,
            }
        };
        let bytes = frame.encode();
        let length = bytes.len() as u32;
        if outgoing.window < length {
            return;
        }
        outgoing.window -= length;
        outgoing.rest = rest - part.len() as u64;
        outgoing.offset = offset + part.len() as u64;
        if outgoing.rest == 0 {
            outgoing.next += 1;
        }
        self.addressed.insert(to);
        self.sent.push_back(bytes);
    }

    /// It is told of somebody otherwise than by a frame.
    pub(super) fn welcome(&mut self, peer: Peer) {
        assert!(self.present.insert(peer), "{peer} was told of twice");
    }

    /// Credits some or all of what came.
    pub(super) fn credit(&mut self, from: Peer, lane: Lane, bytes: u32) {
        let Some(incoming) = self.incoming.get_mut(&(from, lane)) else {
            return;
        };
        let bytes = bytes.min(incoming.uncredited);
        if bytes > 0 {
            incoming.uncredited -= bytes;
            let peer = from;
            self.sent
                .push_back(Frame::Credit { peer, lane, bytes }.encode());
        }
    }

    /// Reads the next frame from its socket.
    pub(super) fn read(&mut self) -> bool {
        let Some(bytes) = self.to_read.pop_front() else {
            return false;
        };
        match Frame::decode(&bytes).expect("the switch sends frames") {
            Frame::Present { peer } => {
                assert_ne!(peer, self.peer, "nobody is told of itself");
                assert_ne!(peer, Peer::Watcher, "the watcher is always there");
                assert!(self.present.insert(peer), "{peer} was told of twice");
            }
            Frame::Gone { peer } => self.lose(peer),
            Frame::Attached => {
                assert!(!self.is_attached, "attached twice");
                self.is_attached = true;
            }
            Frame::Credit { peer, lane, bytes } => {
                let outgoing = self.outgoing.entry((peer, lane)).or_default();
                outgoing.window += bytes;
                assert!(outgoing.window <= WINDOW, "too much credit from {peer}");
            }
            Frame::First {
                peer,
                head,
                length,
                part,
            } => self.begin(peer, &head, length, part, bytes.len()),
            Frame::More { peer, lane, part } => self.go_on(peer, lane, part, bytes.len()),
        }
        true
    }

    fn lose(&mut self, peer: Peer) {
        let was_present = self.present.remove(&peer);
        let was_asked = self.addressed.contains(&peer);
        assert!(was_present || was_asked, "{peer} is gone, who never was");
        self.gone.insert(peer);
        for lane in Lane::ALL {
            self.outgoing.remove(&(peer, lane));
        }
    }

    fn begin(&mut self, peer: Peer, head: &Head<'_>, length: u64, part: &[u8], frame: usize) {
        assert!(self.is_attached, "something before Attached");
        self.check_present(peer);
        let incoming = self.incoming.entry((peer, head.lane())).or_default();
        incoming.uncredited += frame as u32;
        let number = match head {
            Head::Reply {
                outcome: Outcome::NobodyAnswers,
                ..
            } => {
                self.unanswered += 1;
                return;
            }
            Head::Message { event: HOSTILE } => return,
            Head::Message { event } => event.parse().unwrap(),
            Head::Request { call, .. } | Head::Reply { call, .. } => *call,
        };
        assert_eq!(incoming.missing, 0, "a message within another one");
        assert!(
            incoming.last.is_none_or(|last| last < number),
            "out of order or twice"
        );
        incoming.last = Some(number);
        incoming.missing = length;
        incoming.offset = 0;
        incoming.note(part);
    }

    fn go_on(&mut self, peer: Peer, lane: Lane, part: &[u8], frame: usize) {
        self.check_present(peer);
        let incoming = self.incoming.get_mut(&(peer, lane)).expect("begun");
        incoming.uncredited += frame as u32;
        assert!(incoming.missing > 0, "a part of nothing");
        incoming.note(part);
    }

    fn check_present(&self, peer: Peer) {
        let is_familiar = peer == Peer::Watcher || peer == self.peer;
        assert!(
            is_familiar || self.present.contains(&peer),
            "something from {peer}, who is not there"
        );
    }

    /// To whom it has begun a message that is not whole.
    pub(super) fn begun(&self) -> Vec<(Peer, Lane)> {
        let begun = self.outgoing.iter().filter(|(_, it)| it.rest > 0);
        begun.map(|(whom, _)| *whom).collect()
    }

    /// Whom it believes to be there.
    pub(super) fn present(&self) -> &BTreeSet<Peer> {
        &self.present
    }
}

impl Outgoing {
    /// The number of messages that were sent whole.
    pub(super) fn whole(&self) -> u64 {
        self.next
    }
}

impl Incoming {
    fn note(&mut self, part: &[u8]) {
        let number = self.last.unwrap();
        let expected = body(number, self.offset, part.len() as u64);
        assert!(
            part == expected,
            "torn: message {number} at {}",
            self.offset
        );
        self.offset += part.len() as u64;
        self.missing -= part.len() as u64;
        self.whole += u64::from(self.missing == 0);
    }
}

fn head(lane: Lane, number: u64, event: &str) -> Head<'_> {
    match lane {
        Lane::Messages if number.is_multiple_of(3) => Head::Request {
            call: number,
            event,
        },
        Lane::Messages => Head::Message { event },
        Lane::Replies => Head::Reply {
            call: number,
            outcome: Outcome::Answered,
        },
    }
}

/// A part of a message's body: its number and the part's place in it, over and over.
fn body(number: u64, offset: u64, length: u64) -> Vec<u8> {
    let pattern = (number.wrapping_mul(1 << 40) ^ offset).to_le_bytes();
    let mut body = pattern.repeat(length as usize / pattern.len() + 1);
    body.truncate(length as usize);
    body
}
