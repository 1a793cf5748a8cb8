//! A server that does next to nothing: it answers whatever it reads with the same bytes. What a load generator
//! reaches against it is the generator's own limit.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};

fn main() -> io::Result<()> {
    // The servers that are measured have sessions of their own, and Linux may share the processors out by session.
    // It fails only when a shell has made us the leader of a group; then nobody compares us.
    rustix::process::setsid().ok();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    // Again, for a queue as long as those of the servers that are measured.
    rustix::net::listen(&listener, SAME_BACKLOG)?;
    println!("listening on {}", listener.local_addr()?);
    Responder::new(listener)?.run()
}

struct Responder {
    listener: TcpListener,
    epoll: OwnedFd,
    connections: HashMap<u64, TcpStream>,
    /// How many connections there have been: the next one's key. The listener has 0.
    accepted: u64,
}

impl Responder {
    fn new(listener: TcpListener) -> io::Result<Self> {
        let responder = Self {
            listener,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: HashMap::new(),
            accepted: LISTENER,
        };
        responder.watch(&responder.listener, LISTENER)?;
        Ok(responder)
    }

    fn run(mut self) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(EVENTS_AT_ONCE);
        loop {
            let wait = || epoll::wait(&self.epoll, spare_capacity(&mut events), None);
            rustix::io::retry_on_intr(wait)?;
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    key => self.answer(key),
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            match self.listener.accept() {
                Ok((stream, _)) => self.take(stream)?,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self, stream: TcpStream) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        self.accepted += 1;
        self.watch(&stream, self.accepted)?;
        self.connections.insert(self.accepted, stream);
        Ok(())
    }

    fn watch(&self, descriptor: impl AsFd, key: u64) -> io::Result<()> {
        let data = EventData::new_u64(key);
        Ok(epoll::add(&self.epoll, descriptor, data, EventFlags::IN)?)
    }

    /// Answers what has come. Closing takes a connection out of epoll, too: nobody else has it.
    fn answer(&mut self, key: u64) {
        let Some(stream) = self.connections.get_mut(&key) else {
            return;
        };
        let mut request = [0; LONGEST_REQUEST];
        let keep = match stream.read(&mut request) {
            Ok(0) | Err(_) => false,
            // The generator's requests come whole, and the one header that matters is their last.
            Ok(length) if request[..length].ends_with(b"close\r\n\r\n") => {
                drop(stream.write_all(LAST_ANSWER));
                false
            }
            Ok(_) => stream.write_all(ANSWER).is_ok(),
        };
        if !keep {
            self.connections.remove(&key);
        }
    }
}

const LISTENER: u64 = 0;
const EVENTS_AT_ONCE: usize = 1024;
/// Several times what the generator sends.
const LONGEST_REQUEST: usize = 1024;
/// What a cluster's ports have unless told otherwise.
const SAME_BACKLOG: i32 = 4096;
/// With the headers that the servers under test send, so that reading it costs the generator the same.
const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nx-worker: 1\r\n\
    content-length: 13\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\nHello, World!";
const LAST_ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\nx-worker: 1\r\n\
    content-length: 13\r\nconnection: close\r\ndate: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\nHello, World!";
