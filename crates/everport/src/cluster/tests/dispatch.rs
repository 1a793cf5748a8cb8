//! Connections that the watcher has accepted, and passes on through a channel.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use everport_core::PortId;
use tokio::net::TcpStream;

use super::harness::{BOUND, Shared, Watcher, joined, on_both_runtimes, pends, within};
use crate::link::{FromWatcher, FromWorker, Placed, PlacingEnd, Report, pair, send_packet};
use crate::{BindCause, Cluster, ListenError, PortAddress, Sharing, TcpListener};

/// The watcher's end of a channel, and the port that its connections come from.
struct Channel {
    end: PlacingEnd,
    /// The same end, for what a watcher does not send.
    raw: OwnedFd,
    port: Shared,
}

impl Channel {
    /// A client whose connection lies in the channel.
    async fn connect(&self, is_acknowledged: bool, tells_end: bool) -> TcpStream {
        let client = self.port.connect().await;
        let (socket, peer) = loop {
            match self.port.listener.accept() {
                Ok(accepted) => break accepted,
                Err(_) => tokio::task::yield_now().await,
            }
        };
        socket.set_nonblocking(true).unwrap();
        let placed = Placed {
            is_acknowledged,
            tells_end,
            peer: Some(peer),
        };
        self.end.place(placed, socket.as_fd()).unwrap();
        client
    }

    /// Hears reports until one says this: there may be several on the way to it.
    async fn hear_of(&self, taken: u64, ended: u64) {
        let said = |report: Report| (report.taken, report.ended);
        while said(within(self.end.receive()).await.unwrap()) != (taken, ended) {}
    }

    async fn expect(&self, taken: u64, ended: u64, is_last: bool) {
        let expected = Report {
            taken,
            ended,
            is_last,
        };
        assert_eq!(within(self.end.receive()).await.unwrap(), expected);
    }
}

/// A worker that listens on a dispatched port.
async fn listening() -> (Cluster, Watcher, TcpListener, Channel) {
    let (cluster, mut watcher) = joined().await;
    let (ours, theirs) = pair().unwrap();
    let port = Shared::bind();
    let asking = cluster.listen("127.0.0.1:0");
    let granting = async {
        let FromWorker::Listen { request, .. } = watcher.receive().await else {
            panic!("not a request to listen");
        };
        let granted = FromWatcher::Granted {
            request,
            port: PortId(1),
            address: PortAddress::Tcp(port.address),
            sharing: Some(Sharing::Dispatch),
        };
        watcher.send_with(&granted, &[theirs.as_fd()]);
    };
    let (listener, ()) = within(async { tokio::join!(asking, granting) }).await;
    let raw = ours.try_clone().unwrap();
    let end = PlacingEnd::new(ours).unwrap();
    let channel = Channel { end, raw, port };
    (cluster, watcher, listener.unwrap(), channel)
}

#[test]
fn what_is_placed_is_accepted_with_the_address_it_came_with() {
    on_both_runtimes(async || {
        let (_cluster, _watcher, listener, channel) = listening().await;
        assert_eq!(listener.local_addr().unwrap(), channel.port.address);
        let client = channel.connect(false, false).await;
        let address: SocketAddr = client.local_addr().unwrap();
        drop(client);
        // The client is gone, and its socket could not tell any more.
        let (_connection, peer) = within(listener.accept()).await.unwrap();
        assert_eq!(peer, address);
    });
}

#[test]
fn taken_and_ended_are_told_when_that_is_asked_for() {
    on_both_runtimes(async || {
        let (_cluster, _watcher, listener, channel) = listening().await;
        let _quiet = channel.connect(false, false).await;
        let (first, _) = within(listener.accept()).await.unwrap();
        drop(first);
        assert!(pends(channel.end.receive()).await);
        let _client = channel.connect(true, true).await;
        let (second, _) = within(listener.accept()).await.unwrap();
        channel.expect(2, 0, false).await;
        drop(second);
        channel.expect(2, 1, false).await;
    });
}

#[test]
fn one_that_is_lost_because_no_descriptor_was_free_is_an_error_and_counted() {
    on_both_runtimes(async || {
        let (_cluster, _watcher, listener, channel) = listening().await;
        // What comes without its descriptor is what the kernel leaves of one that found no place.
        let lost = Placed {
            is_acknowledged: true,
            tells_end: true,
            peer: None,
        };
        send_packet(channel.raw.as_fd(), &lost.encode().unwrap()).unwrap();
        let error = within(listener.accept()).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EMFILE));
        channel.hear_of(1, 1).await;
        let _client = channel.connect(true, false).await;
        let _connection = within(listener.accept()).await.unwrap();
        channel.hear_of(2, 1).await;
    });
}

#[test]
fn an_abandoned_accept_takes_nothing() {
    on_both_runtimes(async || {
        let (_cluster, _watcher, listener, channel) = listening().await;
        let mut accept = Box::pin(listener.accept());
        assert!(pends(&mut accept).await);
        drop(accept);
        let client = channel.connect(false, false).await;
        let (_connection, peer) = within(listener.accept()).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn a_drain_leaves_in_the_channel_what_others_will_take() {
    on_both_runtimes(async || {
        let (cluster, watcher, listener, channel) = listening().await;
        watcher.drain(BOUND, &[]);
        channel.expect(0, 0, true).await;
        let _client = channel.connect(false, false).await;
        assert!(pends(listener.accept()).await);
        within(cluster.terminated()).await;
    });
}

#[test]
fn a_drain_takes_what_nobody_else_will() {
    on_both_runtimes(async || {
        let (_cluster, watcher, listener, channel) = listening().await;
        let _client = channel.connect(false, false).await;
        watcher.drain(BOUND, &[1]);
        assert!(within(listener.accept()).await.is_ok());
        channel.expect(1, 0, true).await;
    });
}

#[test]
fn a_drain_without_a_quiet_time_waits_for_what_may_be_on_its_way_to_the_channel() {
    on_both_runtimes(async || {
        let (_cluster, watcher, listener, channel) = listening().await;
        let began = Instant::now();
        watcher.drain_until_quiet(BOUND, &[1], Duration::ZERO);
        channel.expect(0, 0, true).await;
        assert!(began.elapsed() >= Duration::from_millis(50));
        assert!(pends(listener.accept()).await);
    });
}

#[test]
fn when_the_watcher_is_gone_what_it_had_placed_is_served_and_nothing_else_comes() {
    on_both_runtimes(async || {
        let (cluster, watcher, listener, channel) = listening().await;
        let _client = channel.connect(false, false).await;
        drop((watcher, channel));
        assert!(within(listener.accept()).await.is_ok());
        assert!(pends(listener.accept()).await);
        within(cluster.terminated()).await;
    });
}

#[test]
fn a_way_of_sharing_that_only_the_watcher_knows_costs_the_request_alone() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let socket = Shared::bind();
        let asking = cluster.listen("127.0.0.1:0");
        let granting = async {
            let FromWorker::Listen { request, .. } = watcher.receive().await else {
                panic!("not a request to listen");
            };
            let granted = FromWatcher::Granted {
                request,
                port: PortId(1),
                address: PortAddress::Tcp(socket.address),
                sharing: None,
            };
            watcher.send_with(&granted, &[socket.listener.as_fd()]);
        };
        let (refused, ()) = within(async { tokio::join!(asking, granting) }).await;
        let Err(ListenError::Bind(error)) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(error.cause, BindCause::UnknownSharing);
        watcher
            .expect(FromWorker::Release { port: PortId(1) })
            .await;
    });
}
