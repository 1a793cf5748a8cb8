//! Moves sockets between processes, with data: building blocks that need no cluster.
//!
//! A [`Sender`] and a [`Receiver`] are the two ends of a Unix stream socket. What goes through it are TCP, UDP and Unix
//! sockets, listening or connected, each with some bytes: what was read of a connection already, or anything else that
//! the receiver is to know. `docs/sockets.md` shows how a parent hands connections to its children.
//!
//! ```
//! use everport::transfer;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (mut sender, mut receiver) = transfer::pair()?;
//! let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! sender.send(listener, b"for you").await?;
//!
//! let received = receiver.receive().await?.ok_or("nothing was sent")?;
//! let listener = tokio::net::TcpListener::try_from(received.socket)?;
//! assert_eq!(listener.local_addr()?, address);
//! assert_eq!(received.data, b"for you");
//! # Ok(())
//! # }
//! ```
//!
//! Both ends are bounded and can be given up at any time: dropped futures lose nothing and leak nothing, and what comes in
//! is taken as input from a stranger. Everything here needs a tokio runtime with its I/O enabled, of either flavour.

mod arrival;
mod frame;
mod half;
mod incoming;
mod kind;
mod outgoing;
mod receiver;
mod sender;
mod socket;
#[cfg(test)]
mod tests;

use std::io;

use tokio::net::UnixStream;

pub use frame::Violation;
use half::Half;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use incoming::Incoming;
pub use kind::{SocketKind, UnsupportedSocket};
pub use receiver::{ReceiveError, Received, Receiver};
pub use sender::{SendError, Sender};
pub use socket::{ConvertError, Socket};

/// How many bytes of data may go with a socket unless told otherwise: 64 KiB.
pub const DEFAULT_LIMIT: usize = 64 * 1024;

/// A sender and the receiver of what it sends. To give one of them to another process, make a pair of streams instead
/// ([`std::os::unix::net::UnixStream::pair`]).
///
/// # Errors
/// When the system refuses.
///
/// # Panics
/// Outside a tokio runtime with its I/O enabled.
pub fn pair() -> io::Result<(Sender, Receiver)> {
    let (sending, receiving) = UnixStream::pair()?;
    Ok((Sender::new(sending), Receiver::new(receiving)))
}

/// A sender and a receiver for a stream that is used in both directions.
///
/// Each may be dropped before the other. Without its sender, the receiver at the other end comes to the end of the
/// stream; without its receiver, the sender there finds it closed.
#[must_use]
pub fn split(stream: UnixStream) -> (Sender, Receiver) {
    let (receiving, sending) = Half::both(stream);
    (Sender::on(sending), Receiver::on(receiving))
}
