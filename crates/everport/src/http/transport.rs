//! The stream beneath HTTP, which notices what comes and goes.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::exchange::{Exchange, Protocol};

/// What an HTTP/2 client sends first (RFC 9113, 3.4).
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream that is served. It goes along when a connection is upgraded, so it is dropped only when the last
/// one has let go of it.
#[derive(Debug)]
pub(super) struct Transport<S> {
    // Dropped before `presence`: what is no longer served is no longer open.
    stream: S,
    presence: Presence,
    /// How much of the preface has come; `None` once the protocol is known.
    preface: Option<usize>,
}

/// A connection among those that are served.
#[derive(Debug)]
struct Presence(Arc<Exchange>);

impl<S> Transport<S> {
    pub(super) fn new(stream: S, exchange: Arc<Exchange>) -> Self {
        exchange.connections().begin_serving();
        Self {
            stream,
            presence: Presence(exchange),
            preface: Some(0),
        }
    }

    fn read(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Some(seen) = self.preface {
            self.recognise(seen, bytes);
        }
        self.presence.0.heard();
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
        if matches!(result, Poll::Ready(Ok(1..))) {
            self.presence.0.acted();
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
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.read(&buffer.filled()[before..]);
        result
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Transport<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.wrote(&result);
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.wrote(&result);
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
