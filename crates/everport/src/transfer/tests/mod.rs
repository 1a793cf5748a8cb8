//! Behaviour of senders and receivers within one process.

mod cancelled;
mod conversions;
mod cuts;
mod moving;
mod strangers;

use std::io::{ErrorKind, IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::frame;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// An address for a socket of the test's own: of IPv6, if this machine has it.
fn loopback() -> &'static str {
    match std::net::UdpSocket::bind("[::1]:0") {
        Ok(_) => "[::1]:0",
        Err(error) => {
            eprintln!("there is no IPv6 here ({error}): a socket of IPv4 is sent instead");
            "127.0.0.1:0"
        }
    }
}

/// Tells whether a socket is still open anywhere: it is the other end of one.
struct Witness(UnixStream);

impl Witness {
    /// A socket to be sent, and its witness.
    fn of_a_socket() -> (UnixStream, Self) {
        let (socket, other) = UnixStream::pair().unwrap();
        other.set_read_timeout(Some(PATIENCE)).unwrap();
        (socket, Self(other))
    }

    /// Fails unless every copy of the socket is closed.
    #[track_caller]
    fn expect_closed(&mut self) {
        // Unlike `read` it goes on when this process was stopped for a moment.
        assert_eq!(self.0.read_to_end(&mut Vec::new()).expect("its end"), 0);
    }

    /// Fails if every copy of the socket is closed.
    #[track_caller]
    fn expect_open(&mut self) {
        self.0.set_nonblocking(true).unwrap();
        let read = self.0.read(&mut [0]).map_err(|error| error.kind());
        assert_eq!(read, Err(ErrorKind::WouldBlock));
        self.0.set_nonblocking(false).unwrap();
    }
}

/// Sends bytes as they are, with descriptors.
fn send_raw(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(64))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    let slices = [IoSlice::new(bytes)];
    let sent = sendmsg(stream.as_fd(), &slices, &mut control, SendFlags::NOSIGNAL);
    assert_eq!(sent, Ok(bytes.len()));
}

/// A frame as a sender would make it.
fn frame_of(data: &[u8]) -> Vec<u8> {
    let head = frame::head(u32::try_from(data.len()).unwrap());
    [&head[..], data].concat()
}
