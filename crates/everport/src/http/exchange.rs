//! What the transport, the service and the driver of one connection tell each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};

use crate::listener::Connections;

/// The state of one connection. Each of its parts runs in the connection's own task, except for the answers
/// of HTTP/2; nothing is ordered by these values, so they are read and written relaxed.
#[derive(Debug)]
pub(super) struct Exchange {
    connections: Arc<Connections>,
    protocol: AtomicU8,
    /// Counts whatever shows that the connection is not idle; wraps around.
    activity: AtomicU32,
    /// Whether what came last ends with an empty line, as every head of a request does.
    ends_with_empty_line: AtomicBool,
    /// Whether the last request has a body: where that ends is known to hyper alone.
    has_body: AtomicBool,
    /// Whether bytes came that belong to no request yet.
    has_begun: AtomicBool,
    /// Whether bytes came since the client was told.
    has_replied: AtomicBool,
    /// Whether bytes wait to be taken by the client's side.
    is_stuck: AtomicBool,
    /// How many requests there were; wraps around.
    requests: AtomicU32,
    /// How many of them have no whole answer yet.
    unanswered: AtomicU32,
    /// Whether the client knows that the connection is closing.
    is_told: AtomicBool,
    /// Whether the server's side is closed, and only the client's end is waited for.
    is_leaving: AtomicBool,
    /// Whether a handler takes the connection over.
    is_upgraded: AtomicBool,
}

/// What the client speaks, once it has spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Protocol {
    Unknown,
    Http1,
    Http2,
}

/// A request without its whole answer.
#[derive(Debug)]
pub(super) struct Unanswered(Arc<Exchange>);

impl Exchange {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        Self {
            connections,
            protocol: AtomicU8::new(Protocol::Unknown as u8),
            activity: AtomicU32::new(0),
            ends_with_empty_line: AtomicBool::new(false),
            has_body: AtomicBool::new(false),
            has_begun: AtomicBool::new(false),
            has_replied: AtomicBool::new(false),
            is_stuck: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            unanswered: AtomicU32::new(0),
            is_told: AtomicBool::new(false),
            is_leaving: AtomicBool::new(false),
            is_upgraded: AtomicBool::new(false),
        }
    }

    pub(super) fn connections(&self) -> &Connections {
        &self.connections
    }

    /// Whether the worker drains.
    pub(super) fn is_draining(&self) -> bool {
        self.connections.is_draining()
    }

    /// The first bytes have told what the client speaks.
    pub(super) fn set_protocol(&self, protocol: Protocol) {
        self.protocol.store(protocol as u8, Ordering::Relaxed);
    }

    pub(super) fn is_http2(&self) -> bool {
        self.protocol.load(Ordering::Relaxed) == Protocol::Http2 as u8
    }

    /// Bytes came.
    pub(super) fn heard(&self, ends_with_empty_line: bool) {
        self.ends_with_empty_line
            .store(ends_with_empty_line, Ordering::Relaxed);
        // Behind a head with a body comes the rest of that body: maybe after the answer, when nobody reads it.
        let has_begun = !self.has_body.load(Ordering::Relaxed);
        self.has_begun.store(has_begun, Ordering::Relaxed);
        self.has_replied.store(true, Ordering::Relaxed);
        self.acted();
    }

    /// Bytes went, or something else shows that the connection is not idle.
    pub(super) fn acted(&self) {
        self.activity.fetch_add(1, Ordering::Relaxed);
    }

    /// Changes with each sign of life.
    pub(super) fn activity(&self) -> u32 {
        self.activity.load(Ordering::Relaxed)
    }

    /// A request is whole, or its head is and a body follows.
    pub(super) fn begin_request(self: &Arc<Self>, has_body: bool) -> Unanswered {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.unanswered.fetch_add(1, Ordering::Relaxed);
        self.has_body.store(has_body, Ordering::Relaxed);
        // Behind a request without a body other whole ones may have come, which end with an empty line, or a
        // part of one.
        let is_whole = has_body || self.ends_with_empty_line.load(Ordering::Relaxed);
        self.has_begun.store(!is_whole, Ordering::Relaxed);
        Unanswered(Arc::clone(self))
    }

    /// Whether what was to be written last has to wait.
    pub(super) fn set_stuck(&self, is_stuck: bool) {
        self.is_stuck.store(is_stuck, Ordering::Relaxed);
    }

    /// Whether the client was told, has said nothing since, and has no answer to come. One of HTTP/2 that lives
    /// replies to the ping between the two `GOAWAY`; then hyper knows when to end the connection. After the last one there
    /// is nothing more to be said to it, whoever still works on an answer.
    pub(super) fn is_mute(&self) -> bool {
        let is_quiet = || {
            !self.has_replied.load(Ordering::Relaxed)
                && !self.is_stuck.load(Ordering::Relaxed)
                && self.unanswered.load(Ordering::Relaxed) == 0
        };
        self.is_told() && (self.is_leaving() || is_quiet())
    }

    /// Whether an HTTP/1 client is neither being answered nor in the midst of a request: hyper calls one idle
    /// whose request has come in half.
    pub(super) fn is_idle(&self) -> bool {
        self.unanswered.load(Ordering::Relaxed) == 0 && !self.has_begun.load(Ordering::Relaxed)
    }

    /// The number of the HTTP/1 request whose head is being waited for: one that has come in part, or the very
    /// first one.
    pub(super) fn awaited_head(&self) -> Option<u32> {
        let number = self.requests.load(Ordering::Relaxed);
        let is_awaited = self.unanswered.load(Ordering::Relaxed) == 0
            && (number == 0 || self.has_begun.load(Ordering::Relaxed))
            && !self.is_http2();
        is_awaited.then_some(number)
    }

    /// The client is told that the connection is closing.
    pub(super) fn tell(&self) {
        self.has_replied.store(false, Ordering::Relaxed);
        self.is_told.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_told(&self) -> bool {
        self.is_told.load(Ordering::Relaxed)
    }

    /// The server's side of the connection is closed.
    pub(super) fn leave(&self) {
        self.is_leaving.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.is_leaving.load(Ordering::Relaxed)
    }

    /// A handler takes the connection over with this answer.
    pub(super) fn upgrade(&self) {
        self.is_upgraded.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_upgraded(&self) -> bool {
        self.is_upgraded.load(Ordering::Relaxed)
    }
}

impl Unanswered {
    pub(super) fn exchange(&self) -> &Exchange {
        &self.0
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        self.0.acted();
        self.0.unanswered.fetch_sub(1, Ordering::Relaxed);
    }
}
