//! Accepting from a socket that all workers share.

use std::net::SocketAddr;

use super::harness::{BOUND, MOMENT, listening, on_both_runtimes, pends, within};
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

#[test]
fn a_connection_that_an_abandoned_accept_was_woken_for_stays_for_everybody() {
    on_both_runtimes(async || {
        let (cluster, watcher, listener, socket) = listening(Sharing::Transfer).await;
        for is_own in [true, false] {
            let mut accept = Box::pin(listener.accept());
            assert!(pends(&mut accept).await);
            drop(accept);
            let client = socket.connect().await;
            let address = client.local_addr().unwrap();
            let peer = if is_own {
                within(listener.accept()).await.unwrap().1
            } else {
                watcher.drain(BOUND, &[]);
                within(cluster.terminated()).await;
                socket.listener.accept().unwrap().1
            };
            assert_eq!(peer, address);
        }
    });
}

#[test]
fn what_comes_while_the_runtime_hangs_stays_for_others() {
    on_both_runtimes(async || {
        let (_cluster, _watcher, listener, socket) = listening(Sharing::Transfer).await;
        let mut accept = Box::pin(listener.accept());
        assert!(pends(&mut accept).await);
        // Nothing awaits from here on: on the test's own thread nobody polls the accept.
        let clients: Vec<_> = (0..3)
            .map(|_| std::net::TcpStream::connect(socket.address).unwrap())
            .collect();
        // Time enough to take one wrongly; nothing waits for it.
        std::thread::sleep(MOMENT);
        for client in &clients {
            let (_other, peer) = socket.listener.accept().unwrap();
            assert_eq!(peer, client.local_addr().unwrap());
        }
        assert!(pends(&mut accept).await);
        let late = socket.connect().await;
        let (_server, peer) = within(accept).await.unwrap();
        assert_eq!(peer, late.local_addr().unwrap());
    });
}
