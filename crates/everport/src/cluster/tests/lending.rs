//! Accepting for slots whose own worker does not serve.

use everport_core::{PortId, SlotId};

use super::harness::{Shared, are_connected, listening, on_both_runtimes, pends, within};
use crate::Sharing;
use crate::link::FromWatcher;

#[test]
fn a_lent_socket_is_accepted_from_until_it_is_recalled() {
    on_both_runtimes(async || {
        let (_cluster, watcher, listener, own) = listening(Sharing::Reuseport).await;
        let lent = Shared::bind();
        let mut waiting = lent.connect().await;
        watcher.lend(1, 5, &lent);
        let (mut server, _) = within(listener.accept()).await.unwrap();
        assert!(are_connected(&mut waiting, &mut server).await);
        let mut next = own.connect().await;
        let (mut server, _) = within(listener.accept()).await.unwrap();
        assert!(are_connected(&mut next, &mut server).await);

        let (port, slot) = (PortId(1), SlotId(5));
        watcher.send(&FromWatcher::Recall { port, slot });
        // The link keeps order: once this socket is there, the other one is gone.
        let other = Shared::bind();
        watcher.lend(1, 6, &other);
        let _client = other.connect().await;
        within(listener.accept()).await.unwrap();
        let _unserved = lent.connect().await;
        assert!(pends(listener.accept()).await);
    });
}

#[test]
fn a_lent_socket_wakes_an_accept_that_waits_already() {
    on_both_runtimes(async || {
        let (_cluster, watcher, listener, _own) = listening(Sharing::Reuseport).await;
        let accepting = tokio::spawn(async move { listener.accept().await.map(|(_, peer)| peer) });
        let lent = Shared::bind();
        let client = lent.connect().await;
        watcher.lend(1, 5, &lent);
        let peer = within(accepting).await.unwrap().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn a_socket_lent_for_an_unknown_port_is_let_go() {
    on_both_runtimes(async || {
        let (_cluster, watcher, listener, own) = listening(Sharing::Reuseport).await;
        let lent = Shared::bind();
        watcher.lend(99, 5, &lent);
        let _client = own.connect().await;
        within(listener.accept()).await.unwrap();
    });
}
