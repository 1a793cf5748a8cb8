//! The end of an HTTP/2 connection: the server has closed its side, the client its own not yet.

use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};

use super::scene::{NEVER, SOON};
use crate::Cluster;
use crate::cluster::tests::harness::{joined, on_both_runtimes, pends, within};
use crate::http::driver::{Patience, Serving, drive};
use crate::http::exchange::{Exchange, Protocol};
use crate::http::service::AnyError;
use crate::http::transport::{Presence, Transport};

/// A connection that rests, and ends as soon as it is told to.
struct Resting<S> {
    transport: Transport<S>,
    exchange: Arc<Exchange>,
    is_told: bool,
}

impl<S> Resting<S> {
    fn new(cluster: &Cluster, stream: S) -> Self {
        let presence = Presence::new(Arc::clone(&cluster.state.connections));
        let exchange = Arc::clone(presence.exchange());
        exchange.set_protocol(Protocol::Http2);
        Self {
            transport: Transport::new(stream, presence, cluster.state.watch_phase()),
            exchange,
            is_told: false,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Future for Resting<S> {
    type Output = Result<(), AnyError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.is_told {
            return Poll::Pending;
        }
        let ended = Pin::new(&mut self.transport).poll_shutdown(cx);
        ended.map_err(AnyError::from)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Serving for Resting<S> {
    fn shut_down(mut self: Pin<&mut Self>) {
        self.is_told = true;
    }
}

fn patience(minimum: Duration) -> Patience {
    Patience {
        idle_minimum_on_rollout: minimum,
        idle_minimum_on_stop: minimum,
        header_read_timeout: NEVER,
    }
}

#[test]
fn an_answer_that_is_still_worked_on_does_not_hold_a_connection_that_is_over() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined().await;
        let (_client, stream) = tokio::io::duplex(64);
        let resting = Resting::new(&cluster, stream);
        let exchange = Arc::clone(&resting.exchange);
        let _unanswered = exchange.begin_request(false);
        watcher.drain(NEVER, &[]);
        within(cluster.draining()).await;
        let patience = patience(SOON);
        within(drive(pin!(resting), &exchange, &cluster.state, &patience)).await;
    });
}

#[test]
fn a_client_that_sends_without_end_is_not_read_without_end() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined().await;
        let stream = tokio::io::join(tokio::io::repeat(0), tokio::io::sink());
        let resting = Resting::new(&cluster, stream);
        watcher.drain(NEVER, &[]);
        within(cluster.draining()).await;
        let state = Arc::clone(&cluster.state);
        let ending = tokio::spawn(async move {
            let exchange = Arc::clone(&resting.exchange);
            drive(pin!(resting), &exchange, &state, &patience(NEVER)).await;
        });
        within(ending).await.unwrap();
    });
}

/// A stream that fails when it is shut down for the second time.
struct ShutOnce {
    stream: DuplexStream,
    is_shut: bool,
}

impl AsyncRead for ShutOnce {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for ShutOnce {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if std::mem::replace(&mut self.is_shut, true) {
            return Poll::Ready(Err(io::Error::other("shut down twice")));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[test]
fn the_stream_beneath_is_shut_down_once_however_long_the_client_takes() {
    on_both_runtimes(async || {
        let (cluster, _watcher) = joined().await;
        let (client, stream) = tokio::io::duplex(64);
        let is_shut = false;
        let mut resting = Resting::new(&cluster, ShutOnce { stream, is_shut });
        resting.exchange.tell();
        for _ in 0..2 {
            assert!(pends(resting.transport.shutdown()).await);
        }
        drop(client);
        within(resting.transport.shutdown()).await.unwrap();
    });
}
