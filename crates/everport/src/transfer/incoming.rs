//! A frame on its way in: it may come in any pieces, and whoever waits for it may give up at any time.

use std::io;
use std::os::fd::BorrowedFd;
use std::task::{Poll, ready};

use rustix::io::Errno;

use super::arrival::{self, Arrival};
use super::frame::{self, HEAD, Violation};
use super::kind::UnsupportedSocket;
use super::receiver::{ReceiveError, Received};
use super::socket::Socket;

/// Data is read in pieces of at most this length, so that nobody gets memory by announcing data.
const PIECE: usize = 64 * 1024;

/// What has been read of the stream and not been handed over.
#[derive(Debug)]
pub(crate) struct Incoming {
    limit: usize,
    frame: Frame,
    /// From then on nothing of the stream can be understood.
    violation: Option<Violation>,
}

impl Incoming {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            frame: Frame::default(),
            violation: None,
        }
    }

    pub(super) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Reads on, as far as there is something: up to the end of the frame, and not beyond, so that the next one's
    /// descriptor comes with the next one. `None` at the end of the stream.
    pub(crate) fn advance(
        &mut self,
        stream: BorrowedFd<'_>,
    ) -> Poll<Result<Option<Received>, ReceiveError>> {
        if let Some(violation) = self.violation {
            return Poll::Ready(Err(violation.into()));
        }
        let advanced = ready!(self.read(stream));
        if let Err(ReceiveError::Violation(violation)) = advanced {
            self.violation = Some(violation);
            self.frame = Frame::default(); // what came with it is closed
        }
        Poll::Ready(advanced)
    }

    fn read(&mut self, stream: BorrowedFd<'_>) -> Poll<Result<Option<Received>, ReceiveError>> {
        while !self.frame.is_complete() {
            if ready!(self.frame.read(stream, self.limit))? == 0 {
                return Poll::Ready(std::mem::take(&mut self.frame).cut());
            }
        }
        Poll::Ready(std::mem::take(&mut self.frame).finish().map(Some))
    }
}

/// One frame, as much of it as is there.
#[derive(Debug, Default)]
struct Frame {
    head: [u8; HEAD],
    filled: usize,
    /// What came with the first byte.
    carried: Option<Carried>,
    /// How much data there is to be, once the head is there.
    length: usize,
    data: Vec<u8>,
}

#[derive(Debug)]
enum Carried {
    Socket(Socket),
    Unsupported(UnsupportedSocket),
    /// A descriptor that the system did not hand over.
    Lost,
}

impl Frame {
    fn is_complete(&self) -> bool {
        self.filled == HEAD && self.data.len() == self.length
    }

    /// Reads something of it: so many bytes, or 0 at the end of the stream.
    fn read(&mut self, stream: BorrowedFd<'_>, limit: usize) -> Poll<Result<usize, ReceiveError>> {
        if self.filled == HEAD {
            return self.read_data(stream);
        }
        let read = match self.filled {
            0 => ready!(self.begin(stream, limit))?,
            filled => {
                let read = ready!(read_on(stream, &mut self.head[filled..]))?;
                self.filled += read;
                read
            }
        };
        if self.filled == HEAD {
            self.length = frame::data_length(self.head, limit)?;
            self.carried.as_ref().ok_or(Violation::NoSocket)?;
            // What was taken is not what was seen: somebody else reads from this end, too.
            if self.data.len() > self.length {
                return Poll::Ready(Err(Violation::NotAFrame.into()));
            }
        }
        Poll::Ready(Ok(read))
    }

    /// Reads the first byte, and more if it is there. When no descriptor is free for the one that comes with it, both
    /// are left where they are, so that the socket can be received later.
    ///
    /// What is there is taken at once, head and data: a process that is killed leaves either all of it to whoever else
    /// has this end of the stream, or nothing.
    #[cfg(all(target_os = "linux", not(everport_portable)))]
    fn begin(&mut self, stream: BorrowedFd<'_>, limit: usize) -> Poll<Result<usize, ReceiveError>> {
        let seen = ready!(look(stream, &mut self.head))?;
        if seen.bytes == 0 {
            return Poll::Ready(Ok(0));
        }
        let announced = match seen.bytes {
            HEAD => frame::data_length(self.head, limit).unwrap_or(0),
            _ => 0,
        };
        self.data.resize(announced.min(PIECE), 0);
        let parts = [&mut self.head[..seen.bytes], &mut self.data];
        let taken = ready!(waiting(arrival::take(stream, parts)))?;
        let bytes = taken.bytes;
        self.filled = bytes.min(seen.bytes);
        self.data.truncate(bytes - self.filled);
        self.carried = carried(with_first_copy(taken, seen))?;
        Poll::Ready(Ok(bytes))
    }

    /// Reads the first byte, and as much of the head as is there, with what comes along. Not every system can look first.
    #[cfg(any(not(target_os = "linux"), everport_portable))]
    fn begin(
        &mut self,
        stream: BorrowedFd<'_>,
        _limit: usize,
    ) -> Poll<Result<usize, ReceiveError>> {
        let arrival = ready!(waiting(arrival::take(stream, [&mut self.head, &mut []])))?;
        self.filled = arrival.bytes;
        self.carried = carried(arrival)?;
        Poll::Ready(Ok(self.filled))
    }

    fn read_data(&mut self, stream: BorrowedFd<'_>) -> Poll<Result<usize, ReceiveError>> {
        let had = self.data.len();
        self.data.resize(self.length.min(had + PIECE), 0);
        let read = read_on(stream, &mut self.data[had..]);
        let came = match &read {
            Poll::Ready(Ok(bytes)) => *bytes,
            _ => 0,
        };
        self.data.truncate(had + came);
        read
    }

    /// The stream has ended: well if nothing of a frame is there.
    fn cut(self) -> Result<Option<Received>, ReceiveError> {
        match self.filled {
            0 => Ok(None),
            _ => Err(ReceiveError::CutShort),
        }
    }

    fn finish(self) -> Result<Received, ReceiveError> {
        let data = self.data;
        match self.carried {
            Some(Carried::Socket(socket)) => Ok(Received { socket, data }),
            Some(Carried::Unsupported(what)) => Err(what.into()),
            Some(Carried::Lost) => Err(ReceiveError::SocketLost { data }),
            None => Err(Violation::NoSocket.into()),
        }
    }
}

/// What came along with the first byte.
fn carried(arrival: Arrival) -> Result<Option<Carried>, Violation> {
    let mut descriptors = arrival.descriptors.into_iter();
    match (descriptors.next(), descriptors.next(), arrival.truncated) {
        (None, _, false) => Ok(None),
        (None, _, true) => Ok(Some(Carried::Lost)),
        (Some(descriptor), None, false) => Ok(Some(match Socket::try_from(descriptor) {
            Ok(socket) => Carried::Socket(socket),
            Err(what) => Carried::Unsupported(what),
        })),
        (Some(_), _, _) => Err(Violation::ManyDescriptors),
    }
}

/// Looks at the head of a frame and at what comes with it, which must be possible to take.
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn look(stream: BorrowedFd<'_>, head: &mut [u8]) -> Poll<Result<Arrival, ReceiveError>> {
    let mut seen = ready!(waiting(arrival::peek(stream, head)))?;
    for _ in 0..LOOKS {
        if !is_kept_back(&seen) {
            break;
        }
        if no_descriptor_is_free(stream) {
            return Poll::Ready(Err(ReceiveError::NoDescriptorFree));
        }
        seen = ready!(waiting(arrival::peek(stream, head)))?;
    }
    Poll::Ready(Ok(seen))
}

/// Whether descriptors came and none was handed over.
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn is_kept_back(arrival: &Arrival) -> bool {
    arrival.truncated && arrival.descriptors.is_empty()
}

/// What was taken, with the descriptors that were seen if there was no room for a second copy of them. (Whether a descriptor
/// comes with the bytes is shown by what is taken alone: a look goes beyond the bytes it returns, to those of the next
/// frame.)
#[cfg(all(target_os = "linux", not(everport_portable)))]
fn with_first_copy(taken: Arrival, seen: Arrival) -> Arrival {
    if !is_kept_back(&taken) {
        return taken;
    }
    let bytes = taken.bytes;
    Arrival { bytes, ..seen }
}

/// How often the system may keep back a descriptor although one would be free: other threads may have closed one and
/// taken one meanwhile. Afterwards something else forbids it, which would be so for ever.
#[cfg(all(target_os = "linux", not(everport_portable)))]
const LOOKS: usize = 16;

#[cfg(all(target_os = "linux", not(everport_portable)))]
fn no_descriptor_is_free(stream: BorrowedFd<'_>) -> bool {
    let copy = rustix::io::fcntl_dupfd_cloexec(stream, 0);
    matches!(copy, Err(Errno::MFILE | Errno::NFILE))
}

/// Takes bytes with which nothing may come along.
fn read_on(stream: BorrowedFd<'_>, buffer: &mut [u8]) -> Poll<Result<usize, ReceiveError>> {
    let arrival = ready!(waiting(arrival::take(stream, [buffer, &mut []])))?;
    if arrival.truncated || !arrival.descriptors.is_empty() {
        return Poll::Ready(Err(Violation::StrayDescriptor.into()));
    }
    Poll::Ready(Ok(arrival.bytes))
}

fn waiting<T>(result: Result<T, Errno>) -> Poll<Result<T, ReceiveError>> {
    match result {
        Ok(value) => Poll::Ready(Ok(value)),
        Err(Errno::AGAIN) => Poll::Pending,
        Err(error) => Poll::Ready(Err(io::Error::from(error).into())),
    }
}
