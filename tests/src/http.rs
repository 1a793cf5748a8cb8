//! One HTTP request over a connection of its own.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;

use crate::PATIENCE;

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Everything before the body.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Answer {
    /// A header's value, by its name in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    }

    /// The worker that answered, by its header.
    #[must_use]
    pub fn worker(&self) -> u64 {
        self.header("x-worker")
            .and_then(|worker| worker.parse().ok())
            .unwrap_or(0)
    }
}

/// Gets a path.
///
/// # Panics
/// When the server cannot be reached or does not answer properly.
#[must_use]
pub fn get(address: SocketAddr, path: &str) -> Answer {
    let connection = TcpStream::connect(address).expect("the port takes connections");
    connection
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket takes a timeout");
    ask(connection, path)
}

/// Gets a path over a Unix socket.
///
/// # Panics
/// When the server cannot be reached or does not answer properly.
#[must_use]
pub fn get_unix(socket: &Path, path: &str) -> Answer {
    let connection = UnixStream::connect(socket).expect("the socket takes connections");
    connection
        .set_read_timeout(Some(PATIENCE))
        .expect("a socket takes a timeout");
    ask(connection, path)
}

/// Gets a path over a connection.
///
/// # Panics
/// When the server does not answer properly.
#[must_use]
pub fn ask(mut connection: impl Read + Write, path: &str) -> Answer {
    write!(
        connection,
        "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
    )
    .expect("a request is sent");
    let mut answer = String::new();
    connection
        .read_to_string(&mut answer)
        .expect("an answer comes");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    Answer {
        head: head.to_owned(),
        body: body.to_owned(),
    }
}
