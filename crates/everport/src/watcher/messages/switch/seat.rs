//! What waits for one peer, and whose turn it is.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

use super::Breach;
use super::flow::Outgoing;
use super::passage::{Left, Next, Passage};
use crate::messages::{Frame, Head, LONGEST_FRAME, Lane, Outcome, Peer, readdress};

/// How many bytes of one peer's are delivered before the next one has its turn: one long frame, or many short ones.
const TURN: usize = LONGEST_FRAME;

/// How many answers of the switch's own may wait for a peer until nothing is read from it any more.
const MOST_ANSWERS: usize = 64;

/// How many bytes of memory may be taken by what dead peers have left to one that does not read: as many as sixteen of them
/// can have on their way. Beyond that the oldest are dropped.
pub(crate) const MOST_REMAINS: usize = 8 * 1024 * 1024;

/// The place of a peer that is attached.
#[derive(Debug)]
pub(super) struct Seat {
    /// Whom it is to be told of, before anything else: what others say may be about them.
    newcomers: VecDeque<Peer>,
    /// Whether it has been told that it is attached, after all who were there then.
    is_greeted: bool,
    passages: BTreeMap<Peer, Passage>,
    /// Whose turn it is.
    turns: VecDeque<Peer>,
    /// How many bytes the first of them has had in this turn.
    spent: usize,
    /// How many answers of our own wait.
    answers: usize,
    /// Who is gone and has left something, in the order of their ends, and how much memory that takes.
    remains: VecDeque<Peer>,
    remaining: usize,
    is_awake: bool,
}

impl Seat {
    /// A place for one who is to be told of those who are there already.
    pub(super) fn new(there: Vec<Peer>) -> Self {
        let strangers = there.iter().map(|other| (*other, Passage::default()));
        Self {
            passages: strangers.collect(),
            newcomers: there.into(),
            is_greeted: false,
            turns: VecDeque::new(),
            spent: 0,
            answers: 0,
            remains: VecDeque::new(),
            remaining: 0,
            is_awake: false,
        }
    }

    /// Whether the peer is to be woken, because there is something for it and it has been told that there is nothing.
    pub(super) fn wakes_up(&mut self) -> bool {
        let has_news = !self.is_greeted || !self.newcomers.is_empty();
        let is_due = !self.is_awake && (has_news || !self.turns.is_empty());
        self.is_awake |= is_due;
        is_due
    }

    pub(super) fn is_paused(&self) -> bool {
        self.answers >= MOST_ANSWERS
    }

    /// Somebody else has come.
    pub(super) fn expect(&mut self, newcomer: Peer) {
        // Whoever has written to it before it was there need not hear of that any more.
        self.answers -= usize::from(self.passages.contains_key(&newcomer));
        self.forget(newcomer);
        self.passages.insert(newcomer, Passage::default());
        self.newcomers.push_back(newcomer);
    }

    /// It has been told of somebody else otherwise.
    pub(super) fn note_told(&mut self, newcomer: Peer) {
        self.passage(newcomer).note_told();
    }

    /// Somebody else is gone.
    pub(super) fn lose(&mut self, other: Peer) {
        let Some(passage) = self.passages.get_mut(&other) else {
            return;
        };
        match passage.lose() {
            Left::Nothing => return self.forget(other),
            Left::Answer => self.answers += 1,
            Left::Farewell => {}
        }
        let left = passage.weight();
        self.queue(other);
        if left > 0 {
            self.remains.push_back(other);
            self.remaining += left;
            self.bound_remains();
        }
    }

    /// The frame was for somebody who is gone or never was.
    pub(super) fn answer_gone(&mut self, nobody: Peer) {
        if let Entry::Vacant(passage) = self.passages.entry(nobody) {
            passage.insert(Passage::to_nobody());
            self.answers += 1;
            self.queue(nobody);
        }
    }

    /// The request was for somebody who uses no messages.
    pub(super) fn answer_nobody(&mut self, other: Peer, call: u64) {
        let outcome = Outcome::NobodyAnswers;
        let frame = Frame::First {
            peer: other,
            head: Head::Reply { call, outcome },
            length: 0,
            part: &[],
        };
        self.passage(other)
            .incoming(Lane::Replies)
            .push_own(frame.encode());
        self.answers += 1;
        self.queue(other);
    }

    /// A frame of somebody else's, whose window has room for it.
    pub(super) fn push(&mut self, origin: Peer, lane: Lane, frame: &[u8]) {
        let mut frame = frame.to_vec();
        readdress(&mut frame, origin);
        self.passage(origin).incoming(lane).push(frame);
        self.queue(origin);
    }

    /// How many bytes of the other's window are in use here.
    pub(super) fn uncredited(&mut self, origin: Peer, lane: Lane) -> u32 {
        self.passage(origin).incoming(lane).uncredited()
    }

    /// What it sends to somebody else.
    pub(super) fn outgoing(&mut self, destination: Peer, lane: Lane) -> &mut Outgoing {
        self.passage(destination).address(lane)
    }

    /// What it has sent was consumed.
    pub(super) fn owe_credit(&mut self, by: Peer, lane: Lane, bytes: u32) {
        self.passage(by).outgoing(lane).owe(bytes);
        self.queue(by);
    }

    /// It has consumed what somebody else has sent, who is there. How much that one gets credit for.
    pub(super) fn take_credit(
        &mut self,
        sender: Peer,
        lane: Lane,
        bytes: u32,
    ) -> Result<u32, Breach> {
        self.passage(sender).incoming(lane).credit(sender, bytes)
    }

    /// The next frame.
    pub(super) fn next(&mut self) -> Option<Vec<u8>> {
        if let Some(frame) = self.tell_news() {
            return Some(frame);
        }
        while let Some(other) = self.turns.front().copied() {
            match self.next_from(other) {
                Some(frame) => return Some(frame),
                None => self.end_turn(),
            }
        }
        self.is_awake = false;
        None
    }

    /// How many bytes of others' wait.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn waiting(&self) -> usize {
        let waiting = self.passages.values().map(Passage::waiting);
        waiting.map(|bytes| bytes as usize).sum()
    }

    /// How many bytes of memory what waits takes.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn weight(&self) -> usize {
        self.passages.values().map(Passage::weight).sum()
    }

    #[cfg(test)]
    pub(super) fn passages(&self) -> usize {
        self.passages.len()
    }

    /// Tells of everybody who has come, and when it does so for the first time, that this is everybody.
    fn tell_news(&mut self) -> Option<Vec<u8>> {
        while let Some(other) = self.newcomers.pop_front() {
            let passage = self.passages.get_mut(&other);
            if let Some(frame) = passage.and_then(|it| it.introduce(other)) {
                return Some(frame);
            }
        }
        let is_first = !std::mem::replace(&mut self.is_greeted, true);
        is_first.then(|| Frame::Attached.encode())
    }

    /// The next frame in somebody's turn, unless that is over.
    fn next_from(&mut self, other: Peer) -> Option<Vec<u8>> {
        let passage = self.passages.get_mut(&other)?;
        if self.spent >= TURN {
            return None;
        }
        let before = passage.weight();
        let next = passage.next(other);
        if passage.is_gone() {
            self.remaining -= before - passage.weight();
        }
        match next {
            Next::Word(frame) => Some(frame),
            Next::Theirs(frame) => {
                self.spent += frame.len();
                Some(frame)
            }
            Next::Ours(frame) => {
                self.answers -= 1;
                Some(frame)
            }
            Next::Farewell { frame, was_asked } => {
                self.answers -= usize::from(was_asked);
                self.forget(other);
                Some(frame)
            }
            Next::Nothing => None,
        }
    }

    /// Goes on with the next one. Whoever has used up its turn has another one later.
    fn end_turn(&mut self) {
        let has_more = self.spent >= TURN;
        self.spent = 0;
        let Some(other) = self.turns.pop_front() else {
            return;
        };
        if let Some(passage) = self.passages.get_mut(&other) {
            passage.is_queued = has_more;
            if has_more {
                self.turns.push_back(other);
            }
        }
    }

    fn queue(&mut self, other: Peer) {
        let passage = self.passage(other);
        if !std::mem::replace(&mut passage.is_queued, true) {
            self.turns.push_back(other);
        }
    }

    /// Whoever is not known yet is the watcher or the peer itself: all others were told of by the switch.
    fn passage(&mut self, other: Peer) -> &mut Passage {
        let passage = self.passages.entry(other);
        passage.or_insert_with(Passage::familiar)
    }

    fn forget(&mut self, other: Peer) {
        self.passages.remove(&other);
        self.remains.retain(|it| *it != other);
        if self.turns.front() == Some(&other) {
            self.spent = 0;
        }
        self.turns.retain(|it| *it != other);
        self.newcomers.retain(|it| *it != other);
    }

    fn bound_remains(&mut self) {
        while self.remaining > MOST_REMAINS {
            let Some(oldest) = self.remains.pop_front() else {
                return;
            };
            let Some(passage) = self.passages.get_mut(&oldest) else {
                continue;
            };
            self.remaining -= passage.weight();
            self.answers -= passage.drop_frames();
            // Its end may now be all that is left to say, or not even that.
            match passage.lose() {
                Left::Nothing => self.forget(oldest),
                Left::Answer => self.answers += 1,
                Left::Farewell => {}
            }
        }
    }
}
