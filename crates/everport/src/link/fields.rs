//! The compound fields of frames: addresses, options, bind errors.

use std::ffi::OsString;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use everport_core::{DrainReason, PortId, ReplaceCause};

use super::wire::{DecodeError, Reader, Writer};
use crate::log::{Level, WhenFull};
use crate::{BindCause, BindError, ListenOptions, PortAddress, Sharing};

mod family {
    pub(super) const IPV4: u8 = 4;
    pub(super) const IPV6: u8 = 6;
    pub(super) const UNIX_PATH: u8 = 1;
    pub(super) const UNIX_ABSTRACT: u8 = 2;
}

mod option {
    pub(super) const KEEPALIVE: u8 = 1;
    pub(super) const NODELAY: u8 = 2;
    pub(super) const FREEBIND: u8 = 4;
    pub(super) const RECEIVE_BUFFER: u8 = 8;
    pub(super) const SEND_BUFFER: u8 = 16;
    pub(super) const UNIX_MODE: u8 = 32;
    pub(super) const ALL: u8 = 63;
}

mod cause {
    pub(super) const SYSTEM: u8 = 0;
    pub(super) const IN_USE: u8 = 1;
    pub(super) const PERMISSION_DENIED: u8 = 2;
    pub(super) const NOT_AVAILABLE: u8 = 3;
    pub(super) const NOT_A_SOCKET: u8 = 4;
    pub(super) const LIVE: u8 = 5;
    pub(super) const DUPLICATE: u8 = 6;
    pub(super) const SHARED_BY_REUSEPORT: u8 = 7;
    pub(super) const SHARED_BY_TRANSFER: u8 = 8;
    pub(super) const TOO_MANY: u8 = 9;
    pub(super) const STOPPING: u8 = 10;
    pub(super) const PASSED_IN: u8 = 11;
    pub(super) const SHARED_BY_DISPATCH: u8 = 12;
}

pub(super) fn write_address(writer: &mut Writer, address: &PortAddress) {
    match address {
        PortAddress::Tcp(SocketAddr::V4(address)) => {
            writer
                .u8(family::IPV4)
                .array(address.ip().octets())
                .u16(address.port());
        }
        PortAddress::Tcp(SocketAddr::V6(address)) => {
            writer
                .u8(family::IPV6)
                .array(address.ip().octets())
                .u16(address.port())
                .u32(address.flowinfo())
                .u32(address.scope_id());
        }
        PortAddress::UnixPath(path) => {
            writer
                .u8(family::UNIX_PATH)
                .bytes(path.as_os_str().as_bytes());
        }
        PortAddress::UnixAbstract(name) => {
            writer.u8(family::UNIX_ABSTRACT).bytes(name);
        }
    }
}

pub(super) fn read_address(reader: &mut Reader<'_>) -> Result<PortAddress, DecodeError> {
    Ok(match reader.u8("address family")? {
        family::IPV4 => {
            let ip = Ipv4Addr::from(reader.array::<4>("ip")?);
            SocketAddr::V4(SocketAddrV4::new(ip, reader.u16("port number")?)).into()
        }
        family::IPV6 => {
            let ip = Ipv6Addr::from(reader.array::<16>("ip")?);
            let number = reader.u16("port number")?;
            let flow = reader.u32("flow info")?;
            let scope = reader.u32("scope id")?;
            SocketAddr::V6(SocketAddrV6::new(ip, number, flow, scope)).into()
        }
        family::UNIX_PATH => {
            let path = reader.bytes("path")?;
            PortAddress::UnixPath(PathBuf::from(OsString::from_vec(path.to_vec())))
        }
        family::UNIX_ABSTRACT => PortAddress::UnixAbstract(reader.bytes("name")?.to_vec()),
        _ => return Err(DecodeError::Meaningless("address family")),
    })
}

pub(super) fn write_options(writer: &mut Writer, options: &ListenOptions) {
    let flags = [
        (options.keepalive, option::KEEPALIVE),
        (options.nodelay, option::NODELAY),
        (options.freebind, option::FREEBIND),
        (options.receive_buffer.is_some(), option::RECEIVE_BUFFER),
        (options.send_buffer.is_some(), option::SEND_BUFFER),
        (options.unix_mode.is_some(), option::UNIX_MODE),
    ];
    let flags = flags
        .iter()
        .filter(|(on, _)| *on)
        .fold(0, |all, (_, flag)| all | flag);
    writer.u32(options.backlog).u8(flags);
    writer
        .u32(options.receive_buffer.unwrap_or(0))
        .u32(options.send_buffer.unwrap_or(0))
        .u32(options.unix_mode.unwrap_or(0));
    write_sharing(writer, options.sharing);
}

pub(super) fn read_options(reader: &mut Reader<'_>) -> Result<ListenOptions, DecodeError> {
    let backlog = reader.u32("backlog")?;
    let flags = reader.u8("option flags")?;
    if flags & !option::ALL != 0 {
        return Err(DecodeError::Meaningless("option flags"));
    }
    // A value without its flag would be two ways to say the same.
    let given = |flag: u8, value: u32| match (flags & flag != 0, value) {
        (true, value) => Ok(Some(value)),
        (false, 0) => Ok(None),
        (false, _) => Err(DecodeError::Meaningless("option flags")),
    };
    Ok(ListenOptions {
        backlog,
        keepalive: flags & option::KEEPALIVE != 0,
        nodelay: flags & option::NODELAY != 0,
        freebind: flags & option::FREEBIND != 0,
        receive_buffer: given(option::RECEIVE_BUFFER, reader.u32("receive buffer")?)?,
        send_buffer: given(option::SEND_BUFFER, reader.u32("send buffer")?)?,
        unix_mode: given(option::UNIX_MODE, reader.u32("unix mode")?)?,
        sharing: read_sharing(reader)?,
    })
}

pub(super) fn write_sharing(writer: &mut Writer, sharing: Option<Sharing>) {
    writer.u8(match sharing {
        None => 0,
        Some(Sharing::Reuseport) => 1,
        Some(Sharing::Transfer) => 2,
        Some(Sharing::Dispatch) => 3,
    });
}

pub(super) fn read_sharing(reader: &mut Reader<'_>) -> Result<Option<Sharing>, DecodeError> {
    match reader.u8("sharing")? {
        0 => Ok(None),
        1 => Ok(Some(Sharing::Reuseport)),
        2 => Ok(Some(Sharing::Transfer)),
        3 => Ok(Some(Sharing::Dispatch)),
        _ => Err(DecodeError::Meaningless("sharing")),
    }
}

/// `None` for a way that only a newer watcher knows: it costs the request, not the link.
pub(super) fn read_granted_sharing(
    reader: &mut Reader<'_>,
) -> Result<Option<Sharing>, DecodeError> {
    Ok(match reader.u8("sharing")? {
        1 => Some(Sharing::Reuseport),
        2 => Some(Sharing::Transfer),
        3 => Some(Sharing::Dispatch),
        _ => None,
    })
}

/// The system's error number goes along with every cause, for a library that does not know the cause.
pub(super) fn write_bind_error(writer: &mut Writer, error: &BindError) {
    let (kind, errno, text) = match &error.cause {
        BindCause::System(errno) => (cause::SYSTEM, *errno, ""),
        BindCause::InUse { by } => (
            cause::IN_USE,
            libc::EADDRINUSE,
            by.as_deref().unwrap_or_default(),
        ),
        BindCause::PassedIn(which) => (cause::PASSED_IN, libc::EADDRINUSE, which.as_str()),
        BindCause::PermissionDenied => (cause::PERMISSION_DENIED, libc::EACCES, ""),
        BindCause::NotAvailable => (cause::NOT_AVAILABLE, libc::EADDRNOTAVAIL, ""),
        BindCause::NotASocket => (cause::NOT_A_SOCKET, libc::ENOTSOCK, ""),
        BindCause::Live => (cause::LIVE, libc::EADDRINUSE, ""),
        BindCause::Duplicate => (cause::DUPLICATE, libc::EEXIST, ""),
        BindCause::SharedAs(Sharing::Reuseport) => {
            (cause::SHARED_BY_REUSEPORT, libc::EOPNOTSUPP, "")
        }
        BindCause::SharedAs(Sharing::Transfer) => (cause::SHARED_BY_TRANSFER, libc::EOPNOTSUPP, ""),
        // A worker finds this out by itself, so that has no number of its own.
        BindCause::UnknownSharing => (cause::SYSTEM, libc::EPROTONOSUPPORT, ""),
        BindCause::SharedAs(Sharing::Dispatch) => (cause::SHARED_BY_DISPATCH, libc::EOPNOTSUPP, ""),
        BindCause::TooMany => (cause::TOO_MANY, libc::EMFILE, ""),
        BindCause::Stopping => (cause::STOPPING, libc::ECANCELED, ""),
    };
    write_address(writer, &error.address);
    writer.u8(kind).i32(errno).text(text);
}

pub(super) fn read_bind_error(reader: &mut Reader<'_>) -> Result<BindError, DecodeError> {
    let address = read_address(reader)?;
    let kind = reader.u8("cause")?;
    let errno = reader.i32("errno")?;
    let text = reader.text("text")?;
    let cause = match kind {
        cause::IN_USE => BindCause::InUse {
            by: (!text.is_empty()).then_some(text),
        },
        cause::PERMISSION_DENIED => BindCause::PermissionDenied,
        cause::NOT_AVAILABLE => BindCause::NotAvailable,
        cause::NOT_A_SOCKET => BindCause::NotASocket,
        cause::LIVE => BindCause::Live,
        cause::DUPLICATE => BindCause::Duplicate,
        cause::SHARED_BY_REUSEPORT => BindCause::SharedAs(Sharing::Reuseport),
        cause::SHARED_BY_TRANSFER => BindCause::SharedAs(Sharing::Transfer),
        cause::SHARED_BY_DISPATCH => BindCause::SharedAs(Sharing::Dispatch),
        cause::TOO_MANY => BindCause::TooMany,
        cause::STOPPING => BindCause::Stopping,
        cause::PASSED_IN => BindCause::PassedIn(text),
        _ => BindCause::System(errno),
    };
    Ok(BindError { address, cause })
}

pub(super) fn write_drain_reason(writer: &mut Writer, reason: DrainReason) {
    writer.u8(match reason {
        DrainReason::Rollout => 0,
        DrainReason::Replaced => 1,
        DrainReason::ScaleDown => 2,
        DrainReason::Stop => 3,
    });
}

/// A reason of a newer watcher must drain as well: it is taken for a rollout, the most patient one.
pub(super) fn read_drain_reason(reader: &mut Reader<'_>) -> Result<DrainReason, DecodeError> {
    Ok(match reader.u8("reason")? {
        1 => DrainReason::Replaced,
        2 => DrainReason::ScaleDown,
        3 => DrainReason::Stop,
        _ => DrainReason::Rollout,
    })
}

/// The watcher sees for itself what is not the worker's to tell, so that has no number of its own.
pub(super) fn write_replace_cause(writer: &mut Writer, cause: ReplaceCause) {
    writer.u8(match cause {
        ReplaceCause::Asked | ReplaceCause::Memory | ReplaceCause::Lifetime => 0,
        ReplaceCause::Connections => 1,
    });
}

pub(super) fn read_replace_cause(reader: &mut Reader<'_>) -> Result<ReplaceCause, DecodeError> {
    match reader.u8("cause")? {
        0 => Ok(ReplaceCause::Asked),
        1 => Ok(ReplaceCause::Connections),
        _ => Err(DecodeError::Meaningless("cause of a replacement")),
    }
}

pub(super) fn write_when_full(writer: &mut Writer, when_full: WhenFull) {
    writer.u8(match when_full {
        WhenFull::Drop => 0,
        WhenFull::Block => 1,
    });
}

/// What only a newer watcher knows does not make a worker wait.
pub(super) fn read_when_full(reader: &mut Reader<'_>) -> Result<WhenFull, DecodeError> {
    Ok(match reader.u8("when full")? {
        1 => WhenFull::Block,
        _ => WhenFull::Drop,
    })
}

pub(super) fn write_level(writer: &mut Writer, level: Level) {
    writer.u8(level.number());
}

/// What only a newer watcher knows is the ordinary level.
pub(super) fn read_level(reader: &mut Reader<'_>) -> Result<Level, DecodeError> {
    Ok(Level::from_number(reader.u8("level")?).unwrap_or(Level::Info))
}

pub(super) fn write_ports(writer: &mut Writer, ports: &[PortId]) {
    // A count beyond u16 cannot fit into a frame either, so cutting it never hides a frame too long.
    writer.u16(u16::try_from(ports.len()).unwrap_or(u16::MAX));
    for port in ports {
        writer.u32(port.0);
    }
}

pub(super) fn read_ports(reader: &mut Reader<'_>) -> Result<Vec<PortId>, DecodeError> {
    let count = reader.u16("port count")?;
    (0..count)
        .map(|_| reader.u32("ports").map(PortId))
        .collect()
}
