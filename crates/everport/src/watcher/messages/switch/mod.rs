//! Decides, without I/O, what every endpoint is told next: who is there, whose frames go where, and who breaks the rules.
//!
//! It never waits for a peer and drops nothing that could still be delivered, but for what dead peers left to one that
//! has not been reading for long. What waits for a peer is bounded by the windows of those who write to it.

mod flow;
mod frames;
mod passage;
mod seat;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::seat::MOST_REMAINS;
use self::seat::Seat;
use crate::WorkerId;
use crate::link::DecodeError;
use crate::messages::{Disorder, Frame, Head, Lane, Peer, WINDOW};

/// Who is there, and what waits for whom.
#[derive(Debug)]
pub(crate) struct Switch {
    /// The longest body that a message may have.
    limit: u64,
    /// The watcher, who is always there, and the workers that live.
    standings: BTreeMap<Peer, Standing>,
    /// For whom there is something since they were last told that there is nothing.
    woken: Vec<Peer>,
}

/// How a peer that lives takes part, in the order of its life.
#[derive(Debug)]
enum Standing {
    /// It uses no messages: what is sent to it is dropped.
    Deaf,
    Attached(Box<Seat>),
    /// It has broken the rules or closed its socket. Nobody can reach it any more.
    Parted,
}

/// What costs a peer its socket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Breach {
    /// No frame at all.
    #[error(transparent)]
    Nonsense(#[from] DecodeError),
    /// What only the switch may say.
    #[error("a frame that only the watcher sends")]
    OutOfTurn,
    /// The frames of a message do not make one.
    #[error(transparent)]
    Disorder(#[from] Disorder),
    /// Longer than any message may be.
    #[error("a message of {length} bytes, where {limit} are the limit")]
    TooLong { length: u64, limit: u64 },
    /// More was sent than the receiver has room for.
    #[error("{excess} bytes more to {to} than its window allows")]
    Overdrawn { to: Peer, excess: u32 },
    /// More was credited than had come.
    #[error("{excess} bytes credited to {to} that never came from there")]
    Overcredited { to: Peer, excess: u32 },
}

/// A frame of a message on its way.
#[derive(Debug, Clone, Copy)]
struct Piece<'frame> {
    origin: Peer,
    destination: Peer,
    lane: Lane,
    frame: Frame<'frame>,
    bytes: &'frame [u8],
}

impl Switch {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            limit,
            standings: BTreeMap::from([(Peer::Watcher, Standing::Deaf)]),
            woken: Vec::new(),
        }
    }

    /// A worker has begun to live. Whether the application is to be told of it at once, by other means than a frame: it is
    /// attached, and may hear of the worker otherwise before a frame could have come to it.
    pub(crate) fn arrive(&mut self, worker: WorkerId) -> bool {
        let newcomer = Peer::Worker(worker);
        self.standings.insert(newcomer, Standing::Deaf);
        self.tell_others(newcomer, |seat| seat.expect(newcomer));
        let application = self.seat(Peer::Watcher);
        application.map(|seat| seat.note_told(newcomer)).is_some()
    }

    /// A peer that lives has opened its socket. Whether it may: it has not before.
    pub(crate) fn attach(&mut self, peer: Peer) -> bool {
        let there: Vec<Peer> = self.others_of(peer).collect();
        let Some(standing @ Standing::Deaf) = self.standings.get_mut(&peer) else {
            return false;
        };
        *standing = Standing::Attached(Box::new(Seat::new(there)));
        self.wake(peer);
        true
    }

    /// A peer's socket is closed, whoever did so. It does not come back.
    pub(crate) fn part(&mut self, peer: Peer) {
        if let Some(standing @ Standing::Attached(_)) = self.standings.get_mut(&peer) {
            *standing = Standing::Parted;
            self.tell_others(peer, |seat| seat.lose(peer));
        }
    }

    /// A worker is dead, and all that it had sent was received.
    pub(crate) fn finish(&mut self, worker: WorkerId) {
        let peer = Peer::Worker(worker);
        match self.standings.remove(&peer) {
            Some(Standing::Deaf | Standing::Attached(_)) => {
                self.tell_others(peer, |seat| seat.lose(peer));
            }
            Some(Standing::Parted) | None => {}
        }
    }

    /// Takes a frame that a peer has sent. After an error it is to be parted with.
    pub(crate) fn receive(&mut self, origin: Peer, bytes: &[u8]) -> Result<(), Breach> {
        let frame = Frame::decode(bytes)?;
        let piece = |destination, lane| Piece {
            origin,
            destination,
            lane,
            frame,
            bytes,
        };
        match frame {
            Frame::First { peer, head, .. } => self.pass_on(&piece(peer, head.lane())),
            Frame::More { peer, lane, .. } => self.pass_on(&piece(peer, lane)),
            Frame::Credit { peer, lane, bytes } => self.credit(origin, peer, lane, bytes),
            Frame::Present { .. } | Frame::Gone { .. } | Frame::Attached => Err(Breach::OutOfTurn),
        }
    }

    /// The next frame for a peer. After `None` the next thing for it makes it [woken](Self::take_woken).
    pub(crate) fn next(&mut self, peer: Peer) -> Option<Vec<u8>> {
        self.seat(peer)?.next()
    }

    /// Whether nothing should be read from a peer for now: it lets too many answers to what it sends wait.
    pub(crate) fn is_paused(&self, peer: Peer) -> bool {
        matches!(self.standings.get(&peer), Some(Standing::Attached(seat)) if seat.is_paused())
    }

    /// For whom there is something now and was nothing before.
    pub(crate) fn take_woken(&mut self) -> Vec<Peer> {
        std::mem::take(&mut self.woken)
    }

    /// How many bytes of others' wait for a peer.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn waiting_for(&self, peer: Peer) -> usize {
        match self.standings.get(&peer) {
            Some(Standing::Attached(seat)) => seat.waiting(),
            _ => 0,
        }
    }

    /// With how many others a peer has something in common.
    #[cfg(test)]
    pub(crate) fn passages_of(&self, peer: Peer) -> usize {
        match self.standings.get(&peer) {
            Some(Standing::Attached(seat)) => seat.passages(),
            _ => 0,
        }
    }

    fn pass_on(&mut self, piece: &Piece<'_>) -> Result<(), Breach> {
        self.check_length(&piece.frame)?;
        let (origin, destination) = (piece.origin, piece.destination);
        let is_heard = match self.standings.get(&destination) {
            None | Some(Standing::Parted) => {
                self.with_seat(origin, |seat| seat.answer_gone(destination));
                return Ok(());
            }
            Some(Standing::Deaf) => false,
            Some(Standing::Attached(_)) => true,
        };
        let Some(seat) = self.seat(origin) else {
            return Ok(());
        };
        let outgoing = seat.outgoing(destination, piece.lane);
        let is_dropped = match outgoing.note(&piece.frame, is_heard) {
            // Begun when there was no such worker yet, which the sender is just being told.
            Err(Disorder::NotBegun) => return Ok(()),
            noted => noted?,
        };
        let untold_credit = outgoing.untold_credit();
        if is_dropped {
            self.drop_piece(piece, untold_credit)
        } else {
            self.deliver(piece, untold_credit)
        }
    }

    fn check_length(&self, frame: &Frame<'_>) -> Result<(), Breach> {
        let limit = self.limit;
        match frame {
            Frame::First { length, .. } if *length > limit => {
                let length = *length;
                Err(Breach::TooLong { length, limit })
            }
            _ => Ok(()),
        }
    }

    /// Puts a frame in the queue of a peer that is attached.
    fn deliver(&mut self, piece: &Piece<'_>, untold_credit: u32) -> Result<(), Breach> {
        let (origin, lane) = (piece.origin, piece.lane);
        let Some(seat) = self.seat(piece.destination) else {
            return Ok(());
        };
        let used = untold_credit + seat.uncredited(origin, lane);
        piece.check_window(used)?;
        self.with_seat(piece.destination, |seat| {
            seat.push(origin, lane, piece.bytes);
        });
        Ok(())
    }

    /// Drops a frame for somebody who uses no messages. A request to such a one fails at once.
    fn drop_piece(&mut self, piece: &Piece<'_>, untold_credit: u32) -> Result<(), Breach> {
        piece.check_window(untold_credit)?;
        let (destination, length) = (piece.destination, piece.length());
        self.with_seat(piece.origin, |seat| {
            seat.owe_credit(destination, piece.lane, length);
            if let Frame::First {
                head: Head::Request { call, .. },
                ..
            } = piece.frame
            {
                seat.answer_nobody(destination, call);
            }
        });
        Ok(())
    }

    fn credit(
        &mut self,
        receiver: Peer,
        sender: Peer,
        lane: Lane,
        bytes: u32,
    ) -> Result<(), Breach> {
        let is_there = match self.standings.get(&sender) {
            Some(Standing::Deaf | Standing::Attached(_)) => true,
            Some(Standing::Parted) | None => false,
        };
        let Some(seat) = self.seat(receiver) else {
            return Ok(());
        };
        if !is_there {
            // It was told so, or is about to be: nobody keeps the books of one that is gone.
            return Ok(());
        }
        let owed = seat.take_credit(sender, lane, bytes)?;
        if owed > 0 {
            self.with_seat(sender, |seat| seat.owe_credit(receiver, lane, owed));
        }
        Ok(())
    }

    fn seat(&mut self, peer: Peer) -> Option<&mut Seat> {
        match self.standings.get_mut(&peer) {
            Some(Standing::Attached(seat)) => Some(seat),
            _ => None,
        }
    }

    /// Changes what waits for a peer, and notes when it must be woken for that.
    fn with_seat(&mut self, peer: Peer, change: impl FnOnce(&mut Seat)) {
        if let Some(seat) = self.seat(peer) {
            change(seat);
            self.wake(peer);
        }
    }

    fn tell_others(&mut self, about: Peer, tell: impl Fn(&mut Seat)) {
        let is_attached = |standing: &Standing| matches!(standing, Standing::Attached(_));
        let attached = self.standings.iter().filter(|(_, it)| is_attached(it));
        let attached: Vec<Peer> = attached.map(|(peer, _)| *peer).collect();
        for other in attached.into_iter().filter(|other| *other != about) {
            self.with_seat(other, &tell);
        }
    }

    fn wake(&mut self, peer: Peer) {
        if self.seat(peer).is_some_and(Seat::wakes_up) {
            self.woken.push(peer);
        }
    }

    /// The workers that can be reached, without this one.
    fn others_of(&self, peer: Peer) -> impl Iterator<Item = Peer> + '_ {
        let others = self.standings.iter().filter(move |(other, standing)| {
            **other != peer && **other != Peer::Watcher && !matches!(standing, Standing::Parted)
        });
        others.map(|(other, _)| *other)
    }
}

impl Piece<'_> {
    fn length(&self) -> u32 {
        length_of(self.bytes)
    }

    /// Whether there is room for it in a window of which so much is used.
    fn check_window(&self, used: u32) -> Result<(), Breach> {
        let used = used.saturating_add(self.length());
        match used.saturating_sub(WINDOW) {
            0 => Ok(()),
            excess => Err(Breach::Overdrawn {
                to: self.destination,
                excess,
            }),
        }
    }
}

/// A frame's length: none is longer than 64 KiB.
fn length_of(frame: &[u8]) -> u32 {
    u32::try_from(frame.len()).unwrap_or(u32::MAX)
}
