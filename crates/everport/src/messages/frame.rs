//! The frames on a message socket, and their bytes. `docs/protocol.md` describes what this file does.

use super::Peer;
use crate::link::{DecodeError, Reader};

/// The longest frame in bytes, one packet: long enough that a large message takes few system calls, and short enough that
/// others have their turn soon.
pub(crate) const LONGEST_FRAME: usize = 64 * 1024;

/// How many bytes of frames may be on their way from one peer to another in each lane: what was sent and not credited.
pub(crate) const WINDOW: u32 = 256 * 1024;

/// How many bytes of one message's frames are credited only when the application takes it. What exceeds this is credited
/// when it arrives, so that a message longer than the window gets through.
pub(crate) const KEPT: u32 = 128 * 1024;

/// What an endpoint and the switch say to each other. The peer is the destination in a frame from an endpoint, and the
/// origin in a frame from the switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Frame<'frame> {
    /// Begins a message.
    First {
        peer: Peer,
        head: Head<'frame>,
        /// How long the message's whole body is.
        length: u64,
        part: &'frame [u8],
    },
    /// Goes on with the message that was begun last in this lane.
    More {
        peer: Peer,
        lane: Lane,
        part: &'frame [u8],
    },
    /// So many bytes of frames that came from this peer were consumed.
    Credit { peer: Peer, lane: Lane, bytes: u32 },
    /// The peer can be reached from now on: it lives, whether it uses messages or not. Never told of the endpoint itself,
    /// nor of the watcher, who is always there.
    Present { peer: Peer },
    /// The peer cannot be reached any more, or never could; nothing comes from it after this.
    Gone { peer: Peer },
    /// Everybody who is there now has been told of.
    Attached,
}

/// What a message is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head<'frame> {
    Message {
        event: &'frame str,
    },
    /// Wants a reply with the same number.
    Request {
        call: u64,
        event: &'frame str,
    },
    Reply {
        call: u64,
        outcome: Outcome,
    },
}

/// What became of a request. The body of an answer is the value, that of the others a text that says more, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Answered,
    /// Nobody answers requests of this event there.
    NobodyAnswers,
    /// Whoever answered panicked.
    Panicked,
    /// The request's value is not what is expected there.
    Misunderstood,
    /// The answer's value could not be sent.
    Unsendable,
}

/// Messages of one lane are not interleaved, and have a window of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Lane {
    /// Messages and requests, which wait for the application to take them.
    Messages,
    /// Replies, which never wait for anybody.
    Replies,
}

mod kind {
    pub(super) const FIRST: u16 = 0x0001;
    pub(super) const MORE: u16 = 0x0002;
    pub(super) const CREDIT: u16 = 0x0003;

    pub(super) const PRESENT: u16 = 0x0101;
    pub(super) const GONE: u16 = 0x0102;
    pub(super) const ATTACHED: u16 = 0x0103;
}

mod purpose {
    pub(super) const MESSAGE: u8 = 1;
    pub(super) const REQUEST: u8 = 2;
    pub(super) const REPLY: u8 = 3;
}

impl<'frame> Frame<'frame> {
    /// The frame's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = self.encode_without_part();
        if let Self::First { part, .. } | Self::More { part, .. } = self {
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// The frame's bytes before its part of a body, which comes last: it is sent from where it is.
    pub(crate) fn encode_without_part(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64); // most events have short names
        bytes.extend(self.kind().to_le_bytes());
        let (Self::First { peer, .. }
        | Self::More { peer, .. }
        | Self::Credit { peer, .. }
        | Self::Present { peer }
        | Self::Gone { peer }) = self
        else {
            return bytes;
        };
        bytes.extend(peer.number().to_le_bytes());
        match self {
            Self::First { head, length, .. } => {
                bytes.push(head.lane().number());
                head.encode(&mut bytes);
                bytes.extend(length.to_le_bytes());
            }
            Self::More { lane, .. } => bytes.push(lane.number()),
            Self::Credit {
                lane, bytes: count, ..
            } => {
                bytes.push(lane.number());
                bytes.extend(count.to_le_bytes());
            }
            Self::Present { .. } | Self::Gone { .. } | Self::Attached => {}
        }
        bytes
    }

    /// The frame these bytes are. They come from a stranger: whatever is not exactly a frame is an error.
    pub(crate) fn decode(frame: &'frame [u8]) -> Result<Self, DecodeError> {
        if frame.is_empty() {
            return Err(DecodeError::Empty);
        }
        if frame.len() > LONGEST_FRAME {
            return Err(DecodeError::Oversized(LONGEST_FRAME));
        }
        let mut reader = Reader::new(frame);
        let kind = reader.u16("kind")?;
        let decoded = Self::decode_fields(kind, &mut reader)?;
        reader.end(kind)?;
        Ok(decoded)
    }

    fn decode_fields(kind: u16, reader: &mut Reader<'frame>) -> Result<Self, DecodeError> {
        if kind == kind::ATTACHED {
            return Ok(Self::Attached);
        }
        let known = [
            kind::FIRST,
            kind::MORE,
            kind::CREDIT,
            kind::PRESENT,
            kind::GONE,
        ];
        if !known.contains(&kind) {
            return Err(DecodeError::UnknownKind(kind));
        }
        let peer = Peer::from_number(reader.u64("peer")?);
        match kind {
            kind::PRESENT => return Ok(Self::Present { peer }),
            kind::GONE => return Ok(Self::Gone { peer }),
            _ => {}
        }
        let lane = Lane::read(reader)?;
        match kind {
            kind::FIRST => Self::decode_first(peer, lane, reader),
            kind::MORE => match reader.rest() {
                [] => Err(DecodeError::Meaningless("part")),
                part => Ok(Self::More { peer, lane, part }),
            },
            _ => match reader.u32("bytes")? {
                0 => Err(DecodeError::Meaningless("bytes")),
                bytes => Ok(Self::Credit { peer, lane, bytes }),
            },
        }
    }

    fn decode_first(
        peer: Peer,
        lane: Lane,
        reader: &mut Reader<'frame>,
    ) -> Result<Self, DecodeError> {
        let head = Head::read(reader)?;
        if head.lane() != lane {
            return Err(DecodeError::Meaningless("lane"));
        }
        let length = reader.u64("length")?;
        let part = reader.rest();
        // Only a message without a body has a frame without a part.
        let begins = part.is_empty() == (length == 0);
        if !begins || part.len() as u64 > length {
            return Err(DecodeError::Meaningless("length"));
        }
        Ok(Self::First {
            peer,
            head,
            length,
            part,
        })
    }

    fn kind(&self) -> u16 {
        match self {
            Self::First { .. } => kind::FIRST,
            Self::More { .. } => kind::MORE,
            Self::Credit { .. } => kind::CREDIT,
            Self::Present { .. } => kind::PRESENT,
            Self::Gone { .. } => kind::GONE,
            Self::Attached => kind::ATTACHED,
        }
    }
}

/// Writes another peer into the bytes of a frame that is passed on: the origin in place of the destination. Only for the
/// bytes of a `First`, a `More` or a `Credit`.
pub(crate) fn readdress(frame: &mut [u8], peer: Peer) {
    if let Some(field) = frame.get_mut(PEER_AT..PEER_AT + size_of::<u64>()) {
        field.copy_from_slice(&peer.number().to_le_bytes());
    }
}

/// Where the peer's number begins: after the kind.
const PEER_AT: usize = size_of::<u16>();

impl<'frame> Head<'frame> {
    /// Replies have a lane of their own, so that none waits behind messages that nobody takes.
    pub(crate) fn lane(&self) -> Lane {
        match self {
            Self::Message { .. } | Self::Request { .. } => Lane::Messages,
            Self::Reply { .. } => Lane::Replies,
        }
    }

    fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Message { event } => {
                bytes.push(purpose::MESSAGE);
                write_event(bytes, event);
            }
            Self::Request { call, event } => {
                bytes.push(purpose::REQUEST);
                bytes.extend(call.to_le_bytes());
                write_event(bytes, event);
            }
            Self::Reply { call, outcome } => {
                bytes.push(purpose::REPLY);
                bytes.extend(call.to_le_bytes());
                bytes.push(outcome.number());
            }
        }
    }

    fn read(reader: &mut Reader<'frame>) -> Result<Self, DecodeError> {
        Ok(match reader.u8("purpose")? {
            purpose::MESSAGE => Self::Message {
                event: read_event(reader)?,
            },
            purpose::REQUEST => Self::Request {
                call: reader.u64("call")?,
                event: read_event(reader)?,
            },
            purpose::REPLY => Self::Reply {
                call: reader.u64("call")?,
                outcome: Outcome::read(reader)?,
            },
            _ => return Err(DecodeError::Meaningless("purpose")),
        })
    }
}

/// The longest name of an event in bytes.
pub(crate) const LONGEST_EVENT: usize = u8::MAX as usize;

fn write_event(bytes: &mut Vec<u8>, event: &str) {
    debug_assert!(is_event(event), "the sender checks it: {event:?}");
    bytes.push(u8::try_from(event.len()).unwrap_or(u8::MAX));
    bytes.extend_from_slice(event.as_bytes());
}

fn read_event<'frame>(reader: &mut Reader<'frame>) -> Result<&'frame str, DecodeError> {
    let length = usize::from(reader.u8("event")?);
    let event = reader.take(length, "event")?;
    let event = std::str::from_utf8(event).map_err(|_| DecodeError::Meaningless("event"))?;
    match is_event(event) {
        true => Ok(event),
        false => Err(DecodeError::Meaningless("event")),
    }
}

/// Whether an event can have this name.
pub(crate) fn is_event(name: &str) -> bool {
    (1..=LONGEST_EVENT).contains(&name.len())
}

impl Lane {
    /// Both of them.
    pub(crate) const ALL: [Self; 2] = [Self::Messages, Self::Replies];

    /// Its place among them.
    pub(crate) fn index(self) -> usize {
        usize::from(self.number())
    }

    fn number(self) -> u8 {
        match self {
            Self::Messages => 0,
            Self::Replies => 1,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match reader.u8("lane")? {
            0 => Ok(Self::Messages),
            1 => Ok(Self::Replies),
            _ => Err(DecodeError::Meaningless("lane")),
        }
    }
}

impl Outcome {
    fn number(self) -> u8 {
        match self {
            Self::Answered => 0,
            Self::NobodyAnswers => 1,
            Self::Panicked => 2,
            Self::Misunderstood => 3,
            Self::Unsendable => 4,
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match reader.u8("outcome")? {
            0 => Self::Answered,
            1 => Self::NobodyAnswers,
            2 => Self::Panicked,
            3 => Self::Misunderstood,
            4 => Self::Unsendable,
            _ => return Err(DecodeError::Meaningless("outcome")),
        })
    }
}

/// How far the message has come that goes through one lane of one pair of peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    missing: u64,
}

/// A frame that may not come now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Disorder {
    /// The one before is not complete.
    #[error("a message that begins within another one, {missing} bytes before its end")]
    Interrupted { missing: u64 },
    /// Nothing was begun.
    #[error("a part of a message that was not begun")]
    NotBegun,
    /// It is longer than it said.
    #[error("a message that is {excess} bytes longer than it said")]
    Exceeded { excess: u64 },
}

impl Progress {
    /// Whether a message was begun and is not complete.
    pub(crate) fn is_within(self) -> bool {
        self.missing > 0
    }

    /// A message begins.
    pub(crate) fn begin(&mut self, length: u64, part: usize) -> Result<(), Disorder> {
        if self.is_within() {
            let missing = self.missing;
            return Err(Disorder::Interrupted { missing });
        }
        self.missing = length;
        self.advance(part)
    }

    /// A message goes on.
    pub(crate) fn go_on(&mut self, part: usize) -> Result<(), Disorder> {
        match self.is_within() {
            true => self.advance(part),
            false => Err(Disorder::NotBegun),
        }
    }

    fn advance(&mut self, part: usize) -> Result<(), Disorder> {
        let part = part as u64;
        let excess = part.saturating_sub(self.missing);
        if excess > 0 {
            return Err(Disorder::Exceeded { excess });
        }
        self.missing -= part;
        Ok(())
    }
}
