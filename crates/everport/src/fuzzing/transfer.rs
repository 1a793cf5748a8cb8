//! What comes out of a stream that sockets are to come out of, when anybody writes to it.

use std::fs::File;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::task::Poll;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::transfer::{Incoming, ReceiveError, Received};

/// Frames may have so much data here.
const LIMIT: usize = 300;
/// A mark and a length come before the data.
const HEAD: usize = 8;

/// Pieces that are sent one after the other. Each begins with a byte whose lowest two bits say how many descriptors go with
/// it, the third one whether those are no sockets, and the fourth one whether the receiver looks afterwards; the second byte
/// is its length.
///
/// # Panics
/// When anything comes out that is not a frame with the one socket that was sent with it, when such a frame does not come
/// out, or when a descriptor is still open at the end.
pub fn transfer(bytes: &[u8]) {
    let (socket, mut witness) = UnixStream::pair().expect("a socket to send");
    let mut scene = Scene::new(socket);
    let mut rest = bytes;
    while let Some((piece, after)) = next_piece(rest) {
        rest = after;
        scene.send(&piece);
        if scene.is_over {
            break;
        }
    }
    scene.end();
    witness
        .set_read_timeout(Some(Duration::from_secs(60)))
        .expect("a limit of time");
    let mut left = Vec::new();
    // Unlike `read` it goes on when this process was stopped for a moment.
    let ended = witness.read_to_end(&mut left);
    assert!(ended.is_ok() && left.is_empty(), "still open: {ended:?}");
}

/// What is sent at once.
struct Piece<'a> {
    bytes: &'a [u8],
    descriptors: usize,
    are_sockets: bool,
    looks: bool,
}

fn next_piece(bytes: &[u8]) -> Option<(Piece<'_>, &[u8])> {
    let ([flags, length], rest) = bytes.split_first_chunk::<2>()?;
    let (bytes, rest) = rest.split_at_checked(usize::from(*length).max(1))?;
    let piece = Piece {
        bytes,
        descriptors: usize::from(flags & 3),
        are_sockets: flags & 4 == 0,
        looks: flags & 8 != 0,
    };
    Some((piece, rest))
}

/// Sender and receiver, and all that went between them.
struct Scene {
    socket: UnixStream,
    file: File,
    sending: UnixStream,
    receiving: UnixStream,
    incoming: Incoming,
    sent: Vec<u8>,
    /// Where in what was sent, and whether it is a socket.
    descriptors: Vec<(usize, bool)>,
    /// What was received begins before this.
    passed: usize,
    is_over: bool,
}

impl Scene {
    fn new(socket: UnixStream) -> Self {
        let (sending, receiving) = UnixStream::pair().expect("a stream");
        Self {
            socket,
            file: File::open("/dev/null").expect("a file to send"),
            sending,
            receiving,
            incoming: Incoming::new(LIMIT),
            sent: Vec::new(),
            descriptors: Vec::new(),
            passed: 0,
            is_over: false,
        }
    }

    fn send(&mut self, piece: &Piece<'_>) {
        while !self.try_send(piece) {
            // It is full, which it cannot be once everything was received.
            self.look();
            if self.is_over {
                return;
            }
        }
        let place = (self.sent.len(), piece.are_sockets);
        self.descriptors
            .extend(std::iter::repeat_n(place, piece.descriptors));
        self.sent.extend_from_slice(piece.bytes);
        if piece.looks {
            self.look();
        }
    }

    fn try_send(&self, piece: &Piece<'_>) -> bool {
        let descriptor = match piece.are_sockets {
            true => self.socket.as_fd(),
            false => self.file.as_fd(),
        };
        let descriptors = vec![descriptor; piece.descriptors];
        send_all(&self.sending, piece.bytes, &descriptors)
    }

    /// Receives what there is.
    fn look(&mut self) {
        while let Poll::Ready(received) = self.incoming.advance(self.receiving.as_fd()) {
            self.check(received);
            if self.is_over {
                return;
            }
        }
    }

    fn end(mut self) {
        self.sending
            .shutdown(std::net::Shutdown::Both)
            .expect("the end");
        if !self.is_over {
            self.look();
            assert!(self.is_over, "the end is not seen");
        }
    }

    fn check(&mut self, received: Result<Option<Received>, ReceiveError>) {
        match received {
            Ok(Some(Received { data, .. })) => {
                assert_eq!(self.data(), Some(&data[..]));
                assert_eq!(self.carried(), [true]);
                self.passed += HEAD + data.len();
            }
            Err(ReceiveError::Unsupported(_)) => {
                assert_eq!(self.carried(), [false]);
                self.passed += HEAD + self.data().expect("data").len();
            }
            Ok(None) => {
                assert_eq!(self.passed, self.sent.len());
                self.is_over = true;
            }
            Err(ReceiveError::CutShort) => {
                assert!(self.passed < self.sent.len() && self.data().is_none());
                self.is_over = true;
            }
            Err(ReceiveError::Violation(violation)) => {
                assert!(!self.is_regular(), "{violation}: {:?}", self.rest());
                let again = self.incoming.advance(self.receiving.as_fd());
                assert!(
                    matches!(again, Poll::Ready(Err(ReceiveError::Violation(same))) if same == violation)
                );
                self.is_over = true;
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn rest(&self) -> &[u8] {
        &self.sent[self.passed..]
    }

    /// How long the data of the next frame are, if it has a head and is not too long.
    fn length(&self) -> Option<usize> {
        let (head, _) = self.rest().split_first_chunk::<HEAD>()?;
        let length = head.strip_prefix(b"SOCK")?.try_into().ok()?;
        let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
        (length <= LIMIT).then_some(length)
    }

    /// The data of the next frame, if all of it was sent.
    fn data(&self) -> Option<&[u8]> {
        self.rest().get(HEAD..)?.get(..self.length()?)
    }

    /// Whether the descriptors that were sent with the next frame are sockets.
    fn carried(&self) -> Vec<bool> {
        let end = self.passed + HEAD + self.length().unwrap_or(0);
        let within = |place: usize| place >= self.passed && place < end;
        let carried = self.descriptors.iter().filter(|(place, _)| within(*place));
        carried.map(|(_, is_socket)| *is_socket).collect()
    }

    /// Whether a sender would have sent the next frame like this, as far as it was sent.
    fn is_regular(&self) -> bool {
        let head = &self.rest()[..self.rest().len().min(HEAD)];
        let begins_well = b"SOCK".starts_with(&head[..head.len().min(4)]);
        let is_short_enough = head.len() < HEAD || self.length().is_some();
        let first = self.descriptors.contains(&(self.passed, true))
            || self.descriptors.contains(&(self.passed, false));
        begins_well && is_short_enough && first && self.carried().len() == 1
    }
}

/// Sends all or nothing: `false` when there is no room.
fn send_all(stream: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> bool {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
    match sendmsg(stream, &[IoSlice::new(bytes)], &mut control, flags) {
        Ok(sent) => {
            assert_eq!(sent, bytes.len(), "so little is sent as a whole");
            true
        }
        Err(Errno::AGAIN) => false,
        Err(error) => panic!("{error}"),
    }
}
