//! The socket on which the service manager listens.
//!
//! The crate `sd-notify` knows the words. It does not do the sending, because it waits for a service manager that does
//! not read, and takes an abstract address for a path.

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// Where to send messages to.
#[derive(Debug)]
pub(super) struct NotifySocket {
    text: OsString,
    address: SocketAddr,
}

/// Why the service manager cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotifySocketError {
    #[error("NOTIFY_SOCKET={0:?} is neither a path nor an abstract address")]
    Address(OsString),
    #[error("NOTIFY_SOCKET={0:?}: {1}")]
    System(OsString, io::Error),
}

impl NotifySocket {
    /// What the environment says, if there is a service manager that wants to be told.
    pub(super) fn of_environment() -> Result<Option<Self>, NotifySocketError> {
        match std::env::var_os("NOTIFY_SOCKET") {
            Some(text) if !text.is_empty() => Self::parse(text).map(Some),
            Some(_) | None => Ok(None),
        }
    }

    fn parse(text: OsString) -> Result<Self, NotifySocketError> {
        let address = match text.as_bytes() {
            [b'/', ..] => SocketAddr::from_pathname(&text),
            [b'@', name @ ..] => abstract_address(name),
            _ => return Err(NotifySocketError::Address(text)),
        };
        match address {
            Ok(address) => Ok(Self { text, address }),
            Err(error) => Err(NotifySocketError::System(text, error)),
        }
    }

    /// Sends a message, as soon as there is room for it. Cancel safe: it has been sent as a whole or not at all.
    pub(super) async fn send(&self, message: &str) -> Result<(), NotifySocketError> {
        let sent = self.try_send(message).await;
        sent.map_err(|error| NotifySocketError::System(self.text.clone(), error))
    }

    /// By a socket of its own: the service manager may have made its own anew since the last message.
    async fn try_send(&self, message: &str) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        socket.connect_addr(&self.address)?;
        let socket = tokio::net::UnixDatagram::from_std(socket)?;
        socket.send(message.as_bytes()).await.map(|_whole| ())
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

/// Abstract names are Linux's alone.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::other(format!(
        "this system has no abstract addresses such as {:?}",
        std::ffi::OsStr::from_bytes(name)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_abstract_names_are_addresses_and_nothing_else_is() {
        let path = NotifySocket::parse("/run/notify".into()).unwrap();
        assert_eq!(
            path.address.as_pathname().unwrap().to_str(),
            Some("/run/notify")
        );
        let refused = |text: &str| NotifySocket::parse(text.into()).unwrap_err().to_string();
        assert!(refused("vsock:2:9999").ends_with("is neither a path nor an abstract address"));
        let long = format!("/{}", "x".repeat(200));
        assert!(refused(&long).starts_with("NOTIFY_SOCKET="));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_reader_that_is_slow_is_waited_for_and_misses_nothing() {
        use std::os::linux::net::SocketAddrExt;
        let name = format!("everport-notify-{}", std::process::id());
        let reader = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap());
        let reader = reader.unwrap();
        let socket = NotifySocket::parse(format!("@{name}").into()).unwrap();
        // Far more than the kernel keeps for a reader: all but the first have to wait for it.
        const MANY: usize = 1000;
        let sending = tokio::spawn(async move {
            for _ in 0..MANY {
                socket.send("READY=1").await.unwrap();
            }
        });
        let reading = tokio::task::spawn_blocking(move || {
            let mut message = [0; 64];
            for _ in 0..MANY {
                let length = reader.recv(&mut message).unwrap();
                assert_eq!(&message[..length], b"READY=1");
            }
        });
        reading.await.unwrap();
        sending.await.unwrap();
    }
}
