//! A worker that speaks badly on its message socket, and is well otherwise.

use std::error::Error;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{SendFlags, send};

use super::rude_ring;

const OPEN_MESSAGES: &[u8] = b"\x0a\x00";
const MESSAGES: [u8; 2] = *b"\x0d\x01";

/// A message to the first worker of the cluster, which is this one where there is one slot: the first of its 1 MiB, and
/// the beginning of what follows.
const FIRST: &[u8] = b"\x01\x00\x01\0\0\0\0\0\0\0\0\x01\x04note\0\0\x10\0\0\0\0\0\"";
const MORE: &[u8] = b"\x02\x00\x01\0\0\0\0\0\0\0\0";

/// Credit for one byte of the watcher's, which has sent nothing.
const CREDIT: &[u8] = b"\x03\x00\0\0\0\0\0\0\0\0\0\x01\0\0\0";

/// Asks for its socket, over the link of a worker that has said `Hello`, says what the word stands for and returns when
/// the watcher has closed it.
pub(crate) fn misbehave(link: &OwnedFd, word: &str) -> Result<(), Box<dyn Error>> {
    let socket = open(link)?;
    match word {
        "nonsense" => drop(send(&socket, b"\xff\xffnonsense", SendFlags::NOSIGNAL)?),
        "overdrawn" => overdraw(&socket)?,
        "overcredited" => drop(send(&socket, CREDIT, SendFlags::NOSIGNAL)?),
        other => return Err(format!("no such rudeness: {other}").into()),
    }
    poll(&mut [PollFd::new(&socket, PollFlags::RDHUP)], None)?;
    println!("the message socket has ended");
    Ok(())
}

/// Sends more than a window to one who takes nothing.
fn overdraw(socket: &OwnedFd) -> Result<(), Box<dyn Error>> {
    send(socket, FIRST, SendFlags::NOSIGNAL)?;
    let more = [MORE, &[b'x'; 60_000]].concat();
    loop {
        poll(&mut [PollFd::new(socket, PollFlags::OUT)], None)?;
        match send(socket, &more, SendFlags::NOSIGNAL) {
            Ok(_) | Err(rustix::io::Errno::AGAIN) => {}
            Err(_) => return Ok(()), // the watcher has closed it
        }
    }
}

fn open(link: &OwnedFd) -> Result<OwnedFd, Box<dyn Error>> {
    send(link, OPEN_MESSAGES, SendFlags::NOSIGNAL)?;
    loop {
        poll(&mut [PollFd::new(link, PollFlags::IN)], None)?;
        let (kind, mut fds) = rude_ring::receive(link)?;
        if kind == MESSAGES {
            return Ok(fds.pop().ok_or("no descriptor")?);
        }
    }
}
