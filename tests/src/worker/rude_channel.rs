//! A worker that asks for a dispatched port by itself, as `docs/protocol.md` tells others to, and says nonsense there.

use std::error::Error;
use std::os::fd::OwnedFd;

use rustix::net::{SendFlags, Shutdown, send, shutdown};

use super::rude_ring::await_frame;

/// A `Listen` for 127.0.0.1:0 with a backlog of 16, shared as the watcher likes.
const LISTEN: &[u8] =
    b"\x02\x00\x07\x00\x00\x00\x04\x7f\x00\x00\x01\x00\x00\x10\x00\x00\x00\x00\0\0\0\0\0\0\0\0\0\0\0\0\x00";
const GRANTED: [u8; 2] = *b"\x03\x01";
const GARBAGE: &[u8] = b"\x02\x02garbage";
/// One connection taken, where none was placed.
const TOO_MANY: &[u8] = b"\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00";

/// Gets a channel and does what the word stands for, over the link of a worker that has said `Hello`.
pub(super) fn misuse(link: &OwnedFd, word: &str) -> Result<(), Box<dyn Error>> {
    send(link, LISTEN, SendFlags::NOSIGNAL)?;
    let [channel] = await_frame(link, GRANTED)?
        .try_into()
        .map_err(|_| "not one descriptor")?;
    match word {
        "report-of-garbage" => drop(send(&channel, GARBAGE, SendFlags::NOSIGNAL)?),
        "report-of-too-many" => drop(send(&channel, TOO_MANY, SendFlags::NOSIGNAL)?),
        _ => shutdown(&channel, Shutdown::Both)?,
    }
    Ok(())
}
