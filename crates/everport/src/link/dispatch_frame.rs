//! What watcher and worker say on the channel of a dispatched port. `docs/protocol.md` has the bytes.

use std::net::SocketAddr;

use super::fields::{read_address, write_address};
use super::wire::{DecodeError, FrameTooLong, Reader, Writer};
use crate::PortAddress;

/// A connection that the watcher has accepted; its socket comes with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Placed {
    /// Once it is taken, the worker is to say how many it has taken.
    pub(crate) is_acknowledged: bool,
    /// The worker is to tell when it has ended.
    pub(crate) tells_end: bool,
    /// The client's address, as it was when the connection was accepted; a Unix socket's has none that matters.
    pub(crate) peer: Option<SocketAddr>,
}

/// What a worker says of its connections: numbers since the channel began. Input from a stranger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Report {
    /// How many it has taken from the channel.
    pub(crate) taken: u64,
    /// How many of those whose end it is to tell have ended.
    pub(crate) ended: u64,
    /// It takes nothing more.
    pub(crate) is_last: bool,
}

mod kind {
    pub(super) const PLACED: u16 = 0x0201;
    pub(super) const REPORT: u16 = 0x0202;
}

mod flag {
    pub(super) const ACKNOWLEDGED: u8 = 1;
    pub(super) const TELLS_END: u8 = 2;
    pub(super) const LAST: u8 = 1;
}

/// Stands where an address begins, for "none".
const NO_ADDRESS: u8 = 0;

impl Placed {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FrameTooLong> {
        let mut flags = 0;
        if self.is_acknowledged {
            flags |= flag::ACKNOWLEDGED;
        }
        if self.tells_end {
            flags |= flag::TELLS_END;
        }
        let mut writer = Writer::new(kind::PLACED);
        writer.u8(flags);
        match self.peer {
            Some(peer) => write_address(&mut writer, &PortAddress::Tcp(peer)),
            None => {
                writer.u8(NO_ADDRESS);
            }
        }
        writer.finish()
    }

    /// `None` for a kind that only a newer watcher knows. Bytes after the last known field are a newer watcher's,
    /// too, and so are flags that mean nothing here.
    pub(crate) fn decode(frame: &[u8]) -> Result<Option<Self>, DecodeError> {
        let mut reader = Reader::new(frame);
        if reader.u16("kind")? != kind::PLACED {
            return Ok(None);
        }
        let flags = reader.u8("flags")?;
        Ok(Some(Self {
            is_acknowledged: flags & flag::ACKNOWLEDGED != 0,
            tells_end: flags & flag::TELLS_END != 0,
            peer: read_peer(reader)?,
        }))
    }
}

fn read_peer(mut reader: Reader<'_>) -> Result<Option<SocketAddr>, DecodeError> {
    if reader.starts_with(NO_ADDRESS) {
        return Ok(None);
    }
    match read_address(&mut reader)? {
        PortAddress::Tcp(peer) => Ok(Some(peer)),
        PortAddress::UnixPath(_) | PortAddress::UnixAbstract(_) => Ok(None),
    }
}

impl Report {
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FrameTooLong> {
        let mut writer = Writer::new(kind::REPORT);
        writer.u64(self.taken).u64(self.ended);
        writer.u8(if self.is_last { flag::LAST } else { 0 });
        writer.finish()
    }

    /// They come from a stranger: whatever is not exactly a report is an error.
    pub(crate) fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(frame);
        let kind = reader.u16("kind")?;
        if kind != kind::REPORT {
            return Err(DecodeError::UnknownKind(kind));
        }
        let (taken, ended) = (reader.u64("taken")?, reader.u64("ended")?);
        let is_last = match reader.u8("flags")? {
            0 => false,
            flag::LAST => true,
            _ => return Err(DecodeError::Meaningless("flags")),
        };
        reader.end(kind)?;
        Ok(Self {
            taken,
            ended,
            is_last,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placed(peer: Option<&str>) -> Placed {
        Placed {
            is_acknowledged: true,
            tells_end: false,
            peer: peer.map(|peer| peer.parse().unwrap()),
        }
    }

    #[test]
    fn a_connection_goes_with_its_clients_address() {
        for peer in [None, Some("192.0.2.1:70"), Some("[2001:db8::7%3]:443")] {
            let frame = placed(peer);
            let bytes = frame.encode().unwrap();
            assert_eq!(Placed::decode(&bytes), Ok(Some(frame)));
            let newer = [&bytes[..], &[1, 2, 3]].concat();
            assert_eq!(Placed::decode(&newer), Ok(Some(frame)));
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_protocols_page() {
        let bytes = placed(Some("192.0.2.1:70")).encode().unwrap();
        assert_eq!(bytes, [1, 2, 1, 4, 192, 0, 2, 1, 70, 0]);
        let report = Report {
            taken: 5,
            ended: 3,
            is_last: true,
        };
        let bytes = report.encode().unwrap();
        let expected = [2, 2, 5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 1];
        assert_eq!(bytes, expected);
        assert_eq!(Report::decode(&bytes), Ok(report));
    }

    #[test]
    fn a_worker_passes_over_kinds_that_it_does_not_know() {
        assert_eq!(Placed::decode(&[9, 2, 0, 0]), Ok(None));
    }

    #[test]
    fn nothing_but_an_exact_report_is_one() {
        let bytes = Report::default().encode().unwrap();
        for length in 0..bytes.len() {
            assert!(Report::decode(&bytes[..length]).is_err(), "{length}");
        }
        assert!(Report::decode(&[&bytes[..], &[0]].concat()).is_err());
        let mut other = bytes.clone();
        other[18] = 2; // a flag that means nothing
        assert!(Report::decode(&other).is_err());
        other[18] = 0;
        other[0] = 1; // another kind
        assert!(Report::decode(&other).is_err());
    }
}
