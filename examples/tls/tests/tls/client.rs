//! A client that speaks HTTP/1.1 over TLS, retries nothing, and is strict about ends.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use everport_tests::PATIENCE;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, StreamOwned};

const ANSWER: [u8; 13] = *b"Hello, World!";

pub(crate) struct Client {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Client {
    /// Connects and shakes hands.
    pub(crate) fn connect(address: SocketAddr, trust: &Arc<ClientConfig>) -> io::Result<Self> {
        let mut connection = TcpStream::connect(address)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        let name = ServerName::try_from("localhost").expect("a name");
        let session = ClientConnection::new(Arc::clone(trust), name);
        let mut session = session.map_err(io::Error::other)?;
        while session.is_handshaking() {
            session.complete_io(&mut connection)?;
        }
        let stream = BufReader::new(StreamOwned::new(session, connection));
        Ok(Self { stream })
    }

    /// The certificate that the server has shown.
    pub(crate) fn certificate(&self) -> CertificateDer<'static> {
        let shown = self.stream.get_ref().conn.peer_certificates();
        let first = shown.and_then(|certificates| certificates.first());
        first.expect("it was verified").clone().into_owned()
    }

    /// What was agreed to be spoken over this connection.
    pub(crate) fn protocol(&self) -> Option<&[u8]> {
        self.stream.get_ref().conn.alpn_protocol()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()
    }

    pub(crate) fn receive<const LENGTH: usize>(&mut self) -> io::Result<[u8; LENGTH]> {
        let mut bytes = [0; LENGTH];
        self.stream.read_exact(&mut bytes).map(|()| bytes)
    }

    /// Asks for the greeting, and returns whether the server goes on with this connection.
    pub(crate) fn get(&mut self) -> io::Result<bool> {
        self.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let head = self.read_head()?;
        if !head[0].starts_with("HTTP/1.1 200 ") || self.receive()? != ANSWER {
            return Err(io::Error::other(format!("a wrong answer: {head:?}")));
        }
        Ok(!head.iter().any(|line| line == "connection: close"))
    }

    /// Asks for the greeting, and for the end of the connection, which TLS has to announce.
    pub(crate) fn get_once(mut self) -> io::Result<()> {
        self.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        self.read_head()?;
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        match rest == ANSWER {
            true => Ok(()),
            false => Err(io::Error::other(format!("a wrong answer: {rest:?}"))),
        }
    }

    /// The lines of an answer's head, in lower case but for the first.
    fn read_head(&mut self) -> io::Result<Vec<String>> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" if lines.is_empty() => return Err(io::Error::other("an empty head")),
                "" => return Ok(lines),
                line => lines.push(line.to_owned()),
            }
        }
    }
}
