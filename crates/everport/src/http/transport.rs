//! The stream beneath HTTP, which notices what comes and goes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::watch;

use super::exchange::{Exchange, Protocol};
use crate::cluster::{Phase, Reached};
use crate::listener::Connections;

/// What an HTTP/2 client sends first (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much is read of a client for whom nothing more is done: more than the windows of HTTP/2 let it have on its way. Whoever
/// sends on and on would otherwise keep the task from ever looking at the time.
const FAREWELL: usize = 2 * 1024 * 1024;

/// A stream that is served. It goes along when a connection is upgraded, so it is dropped only when the last
/// one has let go of it. An upgraded one ends at the drain's deadline; others are dropped by their driver then.
#[derive(Debug)]
pub(super) struct Transport<S> {
    // Dropped before `presence`: what is no longer served is no longer open.
    stream: S,
    presence: Presence,
    /// How much of the preface has come; `None` once the protocol is known.
    preface: Option<usize>,
    /// The last bytes that came.
    tail: [u8; 3],
    phase: watch::Receiver<Phase>,
    /// How much more may be read since our side was closed; `None` while it is open.
    farewell: Option<usize>,
    /// Made for connections that were upgraded only.
    deadline: Option<Box<Deadline>>,
}

/// The end of the drain, as whoever reads and whoever writes wait for it: they may be two tasks.
#[derive(Debug)]
struct Deadline {
    of_reads: Reached,
    of_writes: Reached,
}

/// A connection among those that are served, from when this is made until it is dropped.
#[derive(Debug)]
pub(super) struct Presence(Arc<Exchange>);

impl Presence {
    pub(super) fn new(connections: Arc<Connections>) -> Self {
        connections.begin_serving();
        Self(Arc::new(Exchange::new(connections)))
    }

    pub(super) fn exchange(&self) -> &Arc<Exchange> {
        &self.0
    }
}

impl<S> Transport<S> {
    pub(super) fn new(stream: S, presence: Presence, phase: watch::Receiver<Phase>) -> Self {
        Self {
            stream,
            presence,
            preface: Some(0),
            tail: [0; 3],
            phase,
            farewell: None,
            deadline: None,
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(seen) = self.preface {
            self.recognise(seen, bytes);
        }
        let ends_with_empty_line = self.ends_with_empty_line(bytes);
        self.presence.0.heard(ends_with_empty_line);
    }

    /// Lines may end without a carriage return.
    fn ends_with_empty_line(&mut self, bytes: &[u8]) -> bool {
        for &byte in &bytes[bytes.len().saturating_sub(self.tail.len())..] {
            self.tail = [self.tail[1], self.tail[2], byte];
        }
        matches!(self.tail, [b'\n', b'\r', b'\n'] | [_, b'\n', b'\n'])
    }

    fn recognise(&mut self, seen: usize, bytes: &[u8]) {
        let expected = &PREFACE[seen..];
        let compared = expected.len().min(bytes.len());
        let exchange = &self.presence.0;
        self.preface = if bytes[..compared] != expected[..compared] {
            exchange.set_protocol(Protocol::Http1);
            None
        } else if compared == expected.len() {
            exchange.set_protocol(Protocol::Http2);
            None
        } else {
            Some(seen + compared)
        };
    }

    fn wrote(&self, result: &Poll<io::Result<usize>>) {
        let exchange = &self.presence.0;
        exchange.set_stuck(result.is_pending());
        if matches!(result, Poll::Ready(Ok(1..))) {
            exchange.acted();
        }
    }

    /// The deadline of a connection that was upgraded. Others pay nothing for it.
    fn deadline(&mut self) -> Option<&mut Deadline> {
        if !self.presence.0.is_upgraded() {
            return None;
        }
        let expiry = || Reached::new(self.phase.clone(), Phase::Expired);
        let deadline = self.deadline.get_or_insert_with(|| {
            Box::new(Deadline {
                of_reads: expiry(),
                of_writes: expiry(),
            })
        });
        Some(deadline)
    }

    /// Whether there is nothing to read any more; the task is woken when that comes to be so.
    fn reads_are_over(&mut self, cx: &mut Context<'_>) -> bool {
        self.deadline()
            .is_some_and(|deadline| Pin::new(&mut deadline.of_reads).poll(cx).is_ready())
    }

    /// An error once nothing may be written any more; the task is woken when that comes to be so.
    fn check_writes(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let are_over = self
            .deadline()
            .is_some_and(|deadline| Pin::new(&mut deadline.of_writes).poll(cx).is_ready());
        if are_over {
            let message = "the deadline of the worker's drain is over";
            return Err(io::Error::new(io::ErrorKind::BrokenPipe, message));
        }
        Ok(())
    }
}

impl<S: AsyncRead + Unpin> Transport<S> {
    /// Waits until the client has closed its side as well. What it has sent meanwhile is for nobody; but if it were not
    /// read, the kernel would reset the connection, and the client might never see the last `GOAWAY`, which tells it what
    /// was not accepted. A client that does not close is mute, and not waited for longer than such a one.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let left = self.farewell.get_or_insert(FAREWELL);
        let mut bytes = [0; 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            let read = ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer));
            let length = buffer.filled().len();
            if read.is_err() || length == 0 || length >= *left {
                return Poll::Ready(());
            }
            *left -= length;
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let exchange = &self.0;
        exchange.connections().end_serving(exchange.is_told());
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Transport<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.reads_are_over(cx) {
            return Poll::Ready(Ok(()));
        }
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.read(&buffer.filled()[before..]);
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check_writes(cx)?;
        let result = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_writes(cx)?;
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check_writes(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Once only: not every stream bears a second time.
        if self.farewell.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            let exchange = &self.presence.0;
            if !(exchange.is_http2() && exchange.is_told()) {
                return Poll::Ready(Ok(()));
            }
            exchange.leave();
        }
        self.poll_farewell(cx).map(Ok)
    }
}
