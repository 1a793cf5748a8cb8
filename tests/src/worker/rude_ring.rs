//! A worker that writes to its ring by itself, as `docs/protocol.md` tells others to.

use std::error::Error;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{pwrite, write};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendFlags, recvmsg,
    sendmsg,
};

const OPEN_RING: &[u8] = b"\x09\x00";
const RING: [u8; 2] = *b"\x0b\x01";
/// Where the data of a ring begins.
const DATA: u64 = 4096;

/// What a worker has of its ring.
pub(super) struct Ring {
    memory: OwnedFd,
    bell: OwnedFd,
}

/// Asks for a ring, over the link of a worker that has said `Hello`.
pub(super) fn open(link: &OwnedFd) -> Result<Ring, Box<dyn Error>> {
    let mut nothing = SendAncillaryBuffer::default();
    sendmsg(
        link,
        &[IoSlice::new(OPEN_RING)],
        &mut nothing,
        SendFlags::NOSIGNAL,
    )?;
    let fds = await_frame(link, RING)?;
    let [memory, bell] = fds.try_into().map_err(|_| "not two descriptors")?;
    Ok(Ring { memory, bell })
}

/// Waits for the next frame of this kind; the descriptors that come with it.
pub(crate) fn await_frame(link: &OwnedFd, wanted: [u8; 2]) -> Result<Vec<OwnedFd>, Box<dyn Error>> {
    loop {
        poll(&mut [PollFd::new(link, PollFlags::IN)], None)?;
        let (kind, fds) = receive(link)?;
        if kind == wanted {
            return Ok(fds);
        }
    }
}

/// A frame's kind and the descriptors that came with it.
pub(crate) fn receive(link: &OwnedFd) -> Result<([u8; 2], Vec<OwnedFd>), Box<dyn Error>> {
    let mut buffer = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut slices = [IoSliceMut::new(&mut buffer)];
    recvmsg(link, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    Ok(([buffer[0], buffer[1]], fds.flatten().collect()))
}

impl Ring {
    /// A head without anything that it could be the end of.
    pub(super) fn fill_with_garbage(&self) -> Result<(), Box<dyn Error>> {
        pwrite(&self.memory, &[0xff; 64], DATA)?;
        self.commit(64)?;
        self.ring()
    }

    /// Commits one whole record and half of another, and leaves the watcher to find that out.
    pub(super) fn log(&self, message: &str) -> Result<(), Box<dyn Error>> {
        let record = record(message);
        let length = u32::try_from(record.len())?.to_le_bytes();
        let bytes = [&length, record.as_slice()].concat();
        pwrite(&self.memory, &bytes, DATA)?;
        pwrite(
            &self.memory,
            &bytes[..bytes.len() / 2],
            DATA + bytes.len() as u64,
        )?;
        self.commit(bytes.len() as u64)
    }

    fn commit(&self, head: u64) -> Result<(), Box<dyn Error>> {
        pwrite(&self.memory, &head.to_le_bytes(), 0)?;
        Ok(())
    }

    fn ring(&self) -> Result<(), Box<dyn Error>> {
        write(&self.bell, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

/// A record of level info from the thread `main` about `by_hand`.
fn record(message: &str) -> Vec<u8> {
    let mut bytes = vec![3, 0];
    bytes.extend(1_767_323_045_678_901_234_u64.to_le_bytes());
    bytes.extend(b"\x04main\x07by_hand");
    bytes.extend((message.len() as u32).to_le_bytes());
    bytes.extend(message.as_bytes());
    bytes.extend([0, 0, 0]); // neither fields nor spans
    bytes
}
