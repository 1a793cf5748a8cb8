//! Sends entries as messages to a daemon's socket, and finds it again when it was restarted.

use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::OpenLogError;
use super::destination::{Destination, Remark};
use super::message::Message;
use super::queue::Item;

/// How often a message is sent again when the daemon is not there: it may be restarting.
const ATTEMPTS: u32 = 40;

/// How long it is waited before each of them.
const PAUSE: Duration = Duration::from_millis(50);

/// What the buffer for a message keeps between two batches, in bytes.
const SMALL_MESSAGE: usize = 4096;

/// How a daemon wants its messages.
pub(super) trait Protocol: Send {
    /// What the daemon is called.
    const NAME: &'static str;

    /// Passes on each of the packets that make a message.
    fn encode(
        &self,
        buffer: &mut Vec<u8>,
        message: &Message<'_>,
        send: &mut dyn FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()>;

    /// Sends a packet that is too large for the socket.
    fn send_large(&self, socket: BorrowedFd<'_>, packet: &[u8]) -> io::Result<()>;
}

/// Sends batches to a socket.
#[derive(Debug)]
pub(super) struct MessageOutput<P> {
    protocol: P,
    link: Link,
    buffer: Vec<u8>,
    /// Entries that could not be sent since the last that could.
    lost: u64,
    /// Why not.
    cause: String,
    remarks: Vec<Remark>,
}

/// The connection to the daemon.
#[derive(Debug)]
struct Link {
    path: PathBuf,
    socket: Option<Socket>,
    /// The daemon was not there for long: it is not waited for any more until it is back.
    is_given_up: bool,
}

/// The daemon decides which of them it is.
#[derive(Debug)]
enum Socket {
    Datagrams(UnixDatagram),
    /// Each message ends with a zero byte.
    Stream(UnixStream),
}

impl<P: Protocol> MessageOutput<P> {
    /// Connects with a daemon.
    pub(super) fn open(protocol: P, path: PathBuf) -> Result<Self, OpenLogError> {
        let socket = connect::<P>(&path)?;
        Ok(Self {
            protocol,
            link: Link {
                path,
                socket: Some(socket),
                is_given_up: false,
            },
            buffer: Vec::new(),
            lost: 0,
            cause: String::new(),
            remarks: Vec::new(),
        })
    }

    /// Sends what an item says. What is missing of it is counted.
    fn send_item(&mut self, item: &Item) {
        Message::each_of(item, |message| {
            let entries = match item {
                Item::Lost(count) => *count,
                _ if message.record.is_some() => 1,
                item => item.entries(),
            };
            if !self.tell_lost() || !self.send(message) {
                self.lost = self.lost.saturating_add(entries); // a worker may claim any number
            }
        });
    }

    /// Says how many entries are missing, if any are. `false` if it still cannot be said.
    fn tell_lost(&mut self) -> bool {
        if self.lost == 0 {
            return true;
        }
        let message = Message::of_lost(self.lost, &self.cause);
        let is_told = self.send(&message);
        if is_told {
            self.lost = 0;
        }
        is_told
    }

    fn send(&mut self, message: &Message<'_>) -> bool {
        let Self {
            protocol,
            link,
            buffer,
            ..
        } = self;
        let mut send = |packet: &[u8]| link.send(protocol, packet);
        match protocol.encode(buffer, message, &mut send) {
            Ok(()) => true,
            Err(error) => {
                self.cause = format!("cannot log to {}: {error}", P::NAME);
                if self.lost == 0 {
                    self.remarks.push(Remark::for_others(self.cause.clone()));
                }
                false
            }
        }
    }
}

impl<P: Protocol> Destination for MessageOutput<P> {
    fn write(&mut self, batch: &mut Vec<Item>) {
        for item in batch.drain(..) {
            self.send_item(&item);
            // Also when it failed: nobody else may be left to give workers their allowance back.
            item.note_done();
        }
        self.buffer.clear();
        self.buffer.shrink_to(SMALL_MESSAGE);
    }

    fn take_remarks(&mut self) -> Vec<Remark> {
        std::mem::take(&mut self.remarks)
    }
}

impl Link {
    /// Sends a packet, however long the daemon takes for it; waits a while for one that is not there.
    fn send(&mut self, protocol: &impl Protocol, packet: &[u8]) -> io::Result<()> {
        let mut sent = self.try_send(protocol, packet);
        let attempts = if self.is_given_up { 0 } else { ATTEMPTS };
        for _ in 0..attempts {
            match &sent {
                Err(error) if is_gone(error) => std::thread::sleep(PAUSE),
                _ => break,
            }
            sent = self.try_send(protocol, packet);
        }
        self.is_given_up = matches!(&sent, Err(error) if is_gone(error));
        sent
    }

    fn try_send(&mut self, protocol: &impl Protocol, packet: &[u8]) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(Socket::connect(&self.path)?),
        };
        let sent = match socket.send(packet) {
            Err(error) if is_too_large(&error) => protocol.send_large(socket.as_fd(), packet),
            sent => sent,
        };
        if sent.is_err() {
            self.socket = None;
        }
        sent
    }
}

impl Socket {
    fn connect(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        match socket.connect(path) {
            Ok(()) => Ok(Self::Datagrams(socket)),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::PROTOTYPE) => {
                UnixStream::connect(path).map(Self::Stream)
            }
            Err(error) => Err(error),
        }
    }

    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Datagrams(socket) => loop {
                match socket.send(packet) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    sent => return sent.map(|_whole| ()),
                }
            },
            Self::Stream(socket) => {
                socket.write_all(packet)?;
                socket.write_all(&[0])
            }
        }
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Datagrams(socket) => socket.as_fd(),
            Self::Stream(socket) => socket.as_fd(),
        }
    }
}

/// Whether somebody takes messages at a socket.
#[cfg(feature = "cli")]
pub(super) fn look<P: Protocol>(path: &Path) -> Result<(), OpenLogError> {
    connect::<P>(path).map(drop)
}

fn connect<P: Protocol>(path: &Path) -> Result<Socket, OpenLogError> {
    Socket::connect(path).map_err(|source| OpenLogError::Socket {
        what: P::NAME,
        path: path.to_path_buf(),
        source,
    })
}

fn is_too_large(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    matches!(errno, Some(Errno::MSGSIZE | Errno::NOBUFS))
}

/// Whether nobody is there to take messages, which may change soon. What goes beyond our own limit on the size of files
/// never gets through.
fn is_gone(error: &io::Error) -> bool {
    !is_too_large(error) && Errno::from_io_error(error) != Some(Errno::FBIG)
}

#[cfg(test)]
#[path = "socket_tests.rs"]
mod tests;
