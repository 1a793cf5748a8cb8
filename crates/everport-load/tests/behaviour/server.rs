//! Tiny servers, each of which does exactly one thing, right or wrong.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::net::{SendFlags, Shutdown};

/// A server that hands each connection to a closure on a thread of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stopped: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    pub(crate) fn start(handle: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0", handle)
    }

    pub(crate) fn start_at(
        address: &str,
        handle: impl Fn(TcpStream) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let stopped = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stopped);
        let handle = Arc::new(handle);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if seen.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, handle) = (stream.unwrap(), Arc::clone(&handle));
                thread::spawn(move || handle(stream));
            }
        });
        Self {
            address,
            stopped,
            thread: Some(thread),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // The connection makes `accept` return; should the thread have died, so has its listener.
        // The reset leaves no trace in the table of sockets, where a test looks for those of its clients.
        drop(TcpStream::connect(self.address).map(reset));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

/// An address nobody listens on.
pub(crate) fn refusing_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}

/// Reads one request; false when the client has closed or reset the connection instead.
pub(crate) fn read_request(stream: &mut impl Read) -> bool {
    read_request_text(stream).is_some()
}

fn read_request_text(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return None,
        }
    }
    Some(request)
}

/// Answers one request as it should be.
pub(crate) fn answer(stream: &mut impl Write, body: &str) {
    write(stream, &whole_answer("", body));
}

/// Writes; a client that has left already does not matter.
pub(crate) fn write(stream: &mut impl Write, text: &str) {
    drop(stream.write_all(text.as_bytes()));
}

pub(crate) fn whole_answer(header_lines: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n{header_lines}\r\n{body}")
}

/// Answers every request of a connection as it should be, until one asks for its end.
pub(crate) fn answer_all(mut stream: impl Read + Write) {
    while let Some(request) = read_request_text(&mut stream) {
        answer(&mut stream, "hello");
        if request.windows(5).any(|five| five == b"close") {
            return;
        }
    }
}

/// Answers one request as it should be and closes the connection.
pub(crate) fn answer_one(mut stream: TcpStream) {
    if read_request(&mut stream) {
        write(&mut stream, &whole_answer("Connection: close\r\n", "hello"));
    }
}

/// Closes with a reset.
pub(crate) fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Sends the text and the end of the stream in one packet: whoever sees the one sees the other.
pub(crate) fn write_and_end(stream: &TcpStream, text: &str) {
    rustix::net::send(stream, text.as_bytes(), SendFlags::MORE).unwrap();
    rustix::net::shutdown(stream, Shutdown::Write).unwrap();
}
