//! A connection: how it is opened, looked at while idle, and closed.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::time::{sleep, timeout};

use crate::target::Target;

/// A connection to the server, with what was read from it.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    /// Everything read since the last request was sent.
    pub(crate) received: Vec<u8>,
    /// How many answers it has carried.
    pub(crate) answers: u64,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// What an idle connection looks like immediately before the next request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Idle {
    Open,
    ClosedByServer,
    /// Bytes have come that nobody asked for.
    Talking,
}

/// Who closed a connection after its last answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ClosedBy {
    Server,
    Us,
    /// Nobody yet: more bytes came after the answer.
    Excess,
}

impl Connection {
    /// Connects. The caller sets the time limit; cancellation safe, the attempt is given up.
    pub(crate) async fn open(target: &Target, source: Option<Ipv4Addr>) -> io::Result<Self> {
        let stream = match (target, target.unix_path()) {
            (Target::Tcp(address), _) => Stream::Tcp(connect_tcp(*address, source).await?),
            (_, path) => Stream::Unix(connect_unix(&path.unwrap_or_default()).await?),
        };
        Ok(Self {
            stream,
            received: Vec::with_capacity(READ_AT_ONCE),
            answers: 0,
        })
    }

    pub(crate) async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Tcp(stream) => stream.write_all(bytes).await,
            Stream::Unix(stream) => stream.write_all(bytes).await,
        }
    }

    /// Reads what is there, appending it to `received`; 0 at the end of the stream. Cancellation safe.
    pub(crate) async fn read(&mut self) -> io::Result<usize> {
        self.received.reserve(READ_AT_ONCE);
        match &mut self.stream {
            Stream::Tcp(stream) => stream.read_buf(&mut self.received).await,
            Stream::Unix(stream) => stream.read_buf(&mut self.received).await,
        }
    }

    /// Asks the kernel, not the runtime, whose knowledge may be older: a server that closed while the
    /// connection was idle has broken no promise, one that closes after the request was sent loses it.
    pub(crate) fn idle(&self) -> Idle {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let mut byte = [0_u8; 1];
        let looked = match &self.stream {
            Stream::Tcp(stream) => rustix::net::recv(stream, &mut byte, flags),
            Stream::Unix(stream) => rustix::net::recv(stream, &mut byte, flags),
        };
        match looked {
            Ok((_, 0)) => Idle::ClosedByServer,
            Ok(_) => Idle::Talking,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Idle::Open,
            Err(_) => Idle::ClosedByServer,
        }
    }

    /// Closes the connection after its last answer was read whole.
    ///
    /// Whoever closes a TCP connection first keeps its port number for a minute (`TIME_WAIT`), and a long
    /// run would use up all of them. So the server may close first. If it does not, the connection is reset
    /// instead, which keeps no port number. No failure can be hidden by that: the answer is whole and was
    /// judged before, and whatever comes after it until then is reported.
    pub(crate) async fn close(mut self) -> ClosedBy {
        self.received.clear();
        match timeout(SERVER_CLOSES_WITHIN, self.read()).await {
            Ok(Ok(1..)) => ClosedBy::Excess,
            Ok(Ok(0) | Err(_)) => ClosedBy::Server,
            Err(_) => {
                if let Stream::Tcp(stream) = &self.stream {
                    // Without it one port number is kept for a minute; nothing else depends on it.
                    drop(stream.set_zero_linger());
                }
                ClosedBy::Us
            }
        }
    }
}

async fn connect_tcp(address: SocketAddr, source: Option<Ipv4Addr>) -> io::Result<TcpStream> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(IpAddr::V4(source), 0))?;
    }
    let stream = socket.connect(address).await?;
    // A request is one write; it must not wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A full queue makes a blocking `connect` of a Unix socket wait, and a non-blocking one return `EAGAIN`
/// without a way to learn when there is room. Asking again is that wait, not a second attempt: the server
/// has seen nothing of it.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    loop {
        match UnixStream::connect(path).await {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => sleep(QUEUE_LOOK).await,
            result => return result,
        }
    }
}

/// A usual answer comes in one read.
const READ_AT_ONCE: usize = 4 * 1024;
/// A server that closes does so at once; one that never does must not hold the client up for long.
const SERVER_CLOSES_WITHIN: Duration = Duration::from_millis(100);
/// The shortest sleep tokio knows.
const QUEUE_LOOK: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::{ClosedBy, Connection, Idle};
    use crate::target::Target;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    #[test]
    fn an_idle_connection_is_seen_as_the_kernel_sees_it() {
        with_connection(async |connection, mut server| {
            assert_eq!(connection.idle(), Idle::Open);
            server.write_all(b"x").await.unwrap();
            assert_eq!(connection.idle(), Idle::Talking);
        });
        with_connection(async |connection, server| {
            drop(server);
            assert_eq!(connection.idle(), Idle::ClosedByServer);
        });
        with_connection(async |connection, server| {
            server.set_zero_linger().unwrap();
            drop(server);
            assert_eq!(connection.idle(), Idle::ClosedByServer);
        });
    }

    #[test]
    fn closing_says_who_closed_and_misses_no_late_byte() {
        with_connection(async |connection, mut server| {
            server.write_all(b"more").await.unwrap();
            drop(server);
            assert_eq!(connection.close().await, ClosedBy::Excess);
        });
        with_connection(async |connection, server| {
            drop(server);
            assert_eq!(connection.close().await, ClosedBy::Server);
        });
        with_connection(async |connection, server| {
            assert_eq!(connection.close().await, ClosedBy::Us);
            drop(server);
        });
    }

    fn with_connection(check: impl AsyncFnOnce(Connection, TcpStream)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let target = Target::Tcp(listener.local_addr().unwrap());
            let connection = Connection::open(&target, None).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            check(connection, server).await;
        });
    }
}
