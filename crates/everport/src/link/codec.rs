//! Turns frames into bytes and back. `docs/protocol.md` describes what this file does.

use everport_core::{DrainReason, Generation, PortId, SlotId, WorkerId};

use super::fields::{
    read_address, read_bind_error, read_drain_reason, read_granted_sharing, read_level,
    read_options, read_ports, read_replace_cause, read_when_full, write_address, write_bind_error,
    write_drain_reason, write_level, write_options, write_ports, write_replace_cause,
    write_sharing, write_when_full,
};
use super::wire::{DecodeError, FrameTooLong, Reader, Writer};
use super::{Drained, FromWatcher, FromWorker, Welcome};

/// The first bytes of a worker's first frame after its kind.
pub(crate) const MAGIC: [u8; 8] = *b"everport";

mod kind {
    pub(super) const HELLO: u16 = 0x0001;
    pub(super) const LISTEN: u16 = 0x0002;
    pub(super) const RELEASE: u16 = 0x0003;
    pub(super) const READY: u16 = 0x0004;
    pub(super) const REPLACE: u16 = 0x0005;
    pub(super) const LEAVING: u16 = 0x0006;
    pub(super) const LEFT: u16 = 0x0007;
    pub(super) const ALIVE: u16 = 0x0008;
    pub(super) const OPEN_RING: u16 = 0x0009;
    pub(super) const OPEN_MESSAGES: u16 = 0x000a;

    pub(super) const WELCOME: u16 = 0x0101;
    pub(super) const REFUSED: u16 = 0x0102;
    pub(super) const GRANTED: u16 = 0x0103;
    pub(super) const DENIED: u16 = 0x0104;
    pub(super) const DRAIN: u16 = 0x0105;
    pub(super) const LEND: u16 = 0x0106;
    pub(super) const RECALL: u16 = 0x0107;
    pub(super) const LOOK: u16 = 0x0108;
    pub(super) const BEAT: u16 = 0x0109;
    pub(super) const ANNOUNCE: u16 = 0x010a;
    pub(super) const RING: u16 = 0x010b;
    pub(super) const LOG_LEVEL: u16 = 0x010c;
    pub(super) const MESSAGES: u16 = 0x010d;
}

impl FromWorker {
    /// The frame's bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FrameTooLong> {
        let mut writer = Writer::new(self.kind());
        match self {
            Self::Hello {
                oldest,
                newest,
                library,
            } => {
                writer.array(MAGIC).u16(*oldest).u16(*newest).text(library);
            }
            Self::Listen {
                request,
                address,
                options,
            } => {
                writer.u32(*request);
                write_address(&mut writer, address);
                write_options(&mut writer, options);
            }
            Self::Release { port } => {
                writer.u32(port.0);
            }
            Self::Replace { cause } => write_replace_cause(&mut writer, *cause),
            Self::Alive { beat } => {
                writer.u32(*beat);
            }
            Self::Left(drained) => {
                writer
                    .u32(drained.finished)
                    .u32(drained.closed)
                    .u32(drained.cut);
            }
            Self::Ready | Self::Leaving | Self::OpenRing | Self::OpenMessages => {}
        }
        writer.finish()
    }

    /// The frame these bytes are. They come from a stranger: whatever is not exactly a frame is an error.
    pub(crate) fn decode(frame: &[u8]) -> Result<Self, DecodeError> {
        if frame.is_empty() {
            return Err(DecodeError::Empty);
        }
        let mut reader = Reader::new(frame);
        let kind = reader.u16("kind")?;
        let decoded = Self::decode_fields(kind, &mut reader)?;
        reader.end(kind)?;
        Ok(decoded)
    }

    fn decode_fields(kind: u16, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            kind::HELLO => {
                if reader.array("magic")? != MAGIC {
                    return Err(DecodeError::NotEverport);
                }
                Self::Hello {
                    oldest: reader.u16("oldest")?,
                    newest: reader.u16("newest")?,
                    library: reader.text("library")?,
                }
            }
            kind::LISTEN => Self::Listen {
                request: reader.u32("request")?,
                address: read_address(reader)?,
                options: read_options(reader)?,
            },
            kind::RELEASE => Self::Release {
                port: PortId(reader.u32("port")?),
            },
            kind::READY => Self::Ready,
            kind::REPLACE => Self::Replace {
                cause: read_replace_cause(reader)?,
            },
            kind::ALIVE => Self::Alive {
                beat: reader.u32("beat")?,
            },
            kind::LEAVING => Self::Leaving,
            kind::OPEN_RING => Self::OpenRing,
            kind::OPEN_MESSAGES => Self::OpenMessages,
            kind::LEFT => Self::Left(Drained {
                finished: reader.u32("finished")?,
                closed: reader.u32("closed")?,
                cut: reader.u32("cut")?,
            }),
            unknown => return Err(DecodeError::UnknownKind(unknown)),
        })
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Hello { .. } => kind::HELLO,
            Self::Listen { .. } => kind::LISTEN,
            Self::Release { .. } => kind::RELEASE,
            Self::Ready => kind::READY,
            Self::Replace { .. } => kind::REPLACE,
            Self::Alive { .. } => kind::ALIVE,
            Self::Leaving => kind::LEAVING,
            Self::OpenRing => kind::OPEN_RING,
            Self::OpenMessages => kind::OPEN_MESSAGES,
            Self::Left(_) => kind::LEFT,
        }
    }
}

impl FromWatcher {
    /// The frame's bytes.
    pub(crate) fn encode(&self) -> Result<Vec<u8>, FrameTooLong> {
        let mut writer = Writer::new(self.kind());
        match self {
            Self::Welcome(welcome) => write_welcome(&mut writer, welcome),
            Self::Refused { oldest, newest } => {
                writer.u16(*oldest).u16(*newest);
            }
            Self::Granted {
                request,
                port,
                address,
                sharing,
            } => {
                writer.u32(*request).u32(port.0);
                write_address(&mut writer, address);
                write_sharing(&mut writer, *sharing);
            }
            Self::Denied { request, error } => {
                writer.u32(*request);
                write_bind_error(&mut writer, error);
            }
            Self::Drain {
                reason,
                timeout,
                empty,
                quiet,
            } => {
                write_drain_reason(&mut writer, *reason);
                writer.duration(*timeout).duration(*quiet);
                write_ports(&mut writer, empty);
            }
            Self::Lend { port, slot } | Self::Recall { port, slot } => {
                writer.u32(port.0).u32(slot.0);
            }
            Self::Beat { beat } => {
                writer.u32(*beat);
            }
            Self::Announce { delay } => {
                writer.duration(*delay);
            }
            Self::Ring {
                size,
                when_full,
                level,
                overrides,
            } => {
                writer.u32(*size);
                write_when_full(&mut writer, *when_full);
                write_level(&mut writer, *level);
                writer.u8(u8::from(*overrides));
            }
            Self::LogLevel { level } => write_level(&mut writer, *level),
            Self::Messages { limit } => {
                writer.u32(*limit);
            }
            Self::Look => {}
        }
        writer.finish()
    }

    /// The frame these bytes are, or `None` for a kind that a newer watcher knows and this library does
    /// not. Bytes after the last known field are a newer watcher's, too, and are ignored.
    pub(crate) fn decode(frame: &[u8]) -> Result<Option<Self>, DecodeError> {
        if frame.is_empty() {
            return Err(DecodeError::Empty);
        }
        let mut reader = Reader::new(frame);
        let kind = reader.u16("kind")?;
        Self::decode_fields(kind, &mut reader)
    }

    fn decode_fields(kind: u16, reader: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        Ok(Some(match kind {
            kind::WELCOME => Self::Welcome(read_welcome(reader)?),
            kind::REFUSED => Self::Refused {
                oldest: reader.u16("oldest")?,
                newest: reader.u16("newest")?,
            },
            kind::GRANTED => Self::Granted {
                request: reader.u32("request")?,
                port: PortId(reader.u32("port")?),
                address: read_address(reader)?,
                sharing: read_granted_sharing(reader)?,
            },
            kind::DENIED => Self::Denied {
                request: reader.u32("request")?,
                error: read_bind_error(reader)?,
            },
            kind::DRAIN => read_drain(reader)?,
            kind::LEND => Self::Lend {
                port: PortId(reader.u32("port")?),
                slot: SlotId(reader.u32("slot")?),
            },
            kind::RECALL => Self::Recall {
                port: PortId(reader.u32("port")?),
                slot: SlotId(reader.u32("slot")?),
            },
            kind::LOOK => Self::Look,
            kind::BEAT => Self::Beat {
                beat: reader.u32("beat")?,
            },
            kind::ANNOUNCE => Self::Announce {
                delay: reader.duration("delay")?,
            },
            kind::RING => Self::Ring {
                size: reader.u32("size")?,
                when_full: read_when_full(reader)?,
                level: read_level(reader)?,
                overrides: reader.u8("overrides")? != 0,
            },
            kind::LOG_LEVEL => Self::LogLevel {
                level: read_level(reader)?,
            },
            kind::MESSAGES => Self::Messages {
                limit: reader.u32("limit")?,
            },
            _ => return Ok(None),
        }))
    }

    fn kind(&self) -> u16 {
        match self {
            Self::Welcome(_) => kind::WELCOME,
            Self::Refused { .. } => kind::REFUSED,
            Self::Granted { .. } => kind::GRANTED,
            Self::Denied { .. } => kind::DENIED,
            Self::Drain { .. } => kind::DRAIN,
            Self::Lend { .. } => kind::LEND,
            Self::Recall { .. } => kind::RECALL,
            Self::Look => kind::LOOK,
            Self::Beat { .. } => kind::BEAT,
            Self::Announce { .. } => kind::ANNOUNCE,
            Self::Ring { .. } => kind::RING,
            Self::LogLevel { .. } => kind::LOG_LEVEL,
            Self::Messages { .. } => kind::MESSAGES,
        }
    }
}

fn write_welcome(writer: &mut Writer, welcome: &Welcome) {
    writer
        .u16(welcome.version)
        .u64(welcome.worker.0)
        .u32(welcome.slot.0)
        .u64(welcome.generation.0)
        .duration(welcome.shutdown_timeout)
        .u64(welcome.max_connections);
}

fn read_welcome(reader: &mut Reader<'_>) -> Result<Welcome, DecodeError> {
    Ok(Welcome {
        version: reader.u16("version")?,
        worker: WorkerId(reader.u64("worker")?),
        slot: SlotId(reader.u32("slot")?),
        generation: Generation(reader.u64("generation")?),
        shutdown_timeout: reader.duration("shutdown_timeout")?,
        max_connections: reader.u64("max_connections")?,
    })
}

fn read_drain(reader: &mut Reader<'_>) -> Result<FromWatcher, DecodeError> {
    let reason: DrainReason = read_drain_reason(reader)?;
    let timeout = reader.duration("timeout")?;
    let quiet = reader.duration("quiet")?;
    Ok(FromWatcher::Drain {
        reason,
        timeout,
        empty: read_ports(reader)?,
        quiet,
    })
}
