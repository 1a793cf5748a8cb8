//! Accepting from a socket that all workers share.

use std::net::SocketAddr;

use super::harness::{BOUND, listening, on_both_runtimes, pends, within};
use crate::Sharing;
use crate::link::FromWatcher;

#[test]
fn a_worker_that_accepts_nothing_takes_nothing() {
    on_both_runtimes(async || {
        let (_cluster, _watcher, listener, socket) = listening(Sharing::Transfer).await;
        let client = socket.connect().await;
        let address: SocketAddr = client.local_addr().unwrap();
        // Nobody waits for a connection, so another worker can have it.
        let (_other, peer) = socket.listener.accept().unwrap();
        assert_eq!(peer, address);
        assert!(pends(listener.accept()).await);
    });
}

#[test]
fn a_look_finds_what_waits_and_harms_nothing_else() {
    on_both_runtimes(async || {
        let (cluster, watcher, listener, socket) = listening(Sharing::Transfer).await;
        watcher.send(&FromWatcher::Look);
        let accepting = tokio::spawn(async move { listener.accept().await.map(|(_, peer)| peer) });
        watcher.send(&FromWatcher::Look);
        let client = socket.connect().await;
        let peer = within(accepting).await.unwrap().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        watcher.drain(BOUND, &[]);
        within(cluster.terminated()).await;
    });
}
