//! Asking for ports and accepting from them.

use futures_core::Stream;
use tokio::io::AsyncReadExt;

use super::harness::{are_connected, joined, listening, on_both_runtimes, pends, within};
use crate::link::{FromWatcher, FromWorker};
use crate::{BindCause, BindError, Cluster, ListenError, ListenOptions, PortAddress, Sharing};
use everport_core::PortId;

const BOTH: [Sharing; 2] = [Sharing::Reuseport, Sharing::Transfer];

#[test]
fn a_granted_port_is_accepted_from() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (_cluster, _watcher, listener, socket) = listening(sharing).await;
            assert_eq!(listener.local_addr().unwrap(), socket.address);
            for _ in 0..3 {
                let mut client = socket.connect().await;
                let (mut server, peer) = within(listener.accept()).await.unwrap();
                assert_eq!(peer, client.local_addr().unwrap());
                assert_eq!(server.peer_addr().unwrap(), peer);
                assert!(are_connected(&mut client, &mut server).await);
            }
        });
    }
}

#[test]
fn options_travel_with_the_request() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let options = ListenOptions::new().backlog(5).nodelay(true);
        let asked = options.clone();
        tokio::spawn(async move { cluster.listen_with("[::1]:80", asked).await });
        let FromWorker::Listen {
            address,
            options: received,
            ..
        } = watcher.receive().await
        else {
            panic!("not a request to listen");
        };
        assert_eq!(address, PortAddress::Tcp("[::1]:80".parse().unwrap()));
        assert_eq!(received, options);
    });
}

#[test]
fn a_denied_port_comes_back_as_the_watchers_error() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let asking = tokio::spawn(async move { cluster.listen("1.2.3.4:80").await });
        let FromWorker::Listen {
            request, address, ..
        } = watcher.receive().await
        else {
            panic!("not a request to listen");
        };
        let by = Some("nginx (pid 4711)".to_owned());
        let error = BindError::new(&address, BindCause::InUse { by });
        watcher.send(&FromWatcher::Denied {
            request,
            error: error.clone(),
        });
        match within(asking).await.unwrap() {
            Err(ListenError::Bind(denied)) => assert_eq!(denied, error),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn a_text_that_is_no_address_never_reaches_the_watcher() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined().await;
        let error = within(cluster.listen("localhost")).await.unwrap_err();
        assert!(matches!(error, ListenError::Address(_)), "{error}");
        assert!(watcher.hears_nothing().await);
    });
}

#[test]
fn a_path_too_long_for_the_link_is_an_error_and_harms_nothing() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let error = within(cluster.listen_unix("x".repeat(5000)))
            .await
            .unwrap_err();
        let ListenError::Bind(BindError { cause, .. }) = error else {
            panic!("{error}");
        };
        assert_eq!(cause, BindCause::System(libc::ENAMETOOLONG));
        cluster.ready();
        watcher.expect(FromWorker::Ready).await;
    });
}

#[test]
fn a_dropped_listener_gives_its_port_back() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (_cluster, mut watcher, listener, _socket) = listening(sharing).await;
            drop(listener);
            watcher
                .expect(FromWorker::Release { port: PortId(1) })
                .await;
        });
    }
}

#[test]
fn a_port_granted_to_nobody_any_more_is_given_back() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        assert!(pends(cluster.listen("127.0.0.1:0")).await);
        watcher.grant(9, Sharing::Reuseport).await;
        watcher
            .expect(FromWorker::Release { port: PortId(9) })
            .await;
    });
}

#[test]
fn an_abandoned_accept_loses_no_connection() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (_cluster, _watcher, listener, socket) = listening(sharing).await;
            assert!(pends(listener.accept()).await);
            let mut client = socket.connect().await;
            // Polled until something may have been accepted, then dropped, again and again.
            for _ in 0..20 {
                let mut accept = Box::pin(listener.accept());
                let mut context = std::task::Context::from_waker(std::task::Waker::noop());
                if let std::task::Poll::Ready(accepted) = accept.as_mut().poll(&mut context) {
                    let (mut server, _) = accepted.unwrap();
                    assert!(are_connected(&mut client, &mut server).await);
                    return;
                }
            }
            let (mut server, _) = within(listener.accept()).await.unwrap();
            assert!(are_connected(&mut client, &mut server).await);
        });
    }
}

#[test]
fn several_tasks_accept_from_one_listener() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (_cluster, _watcher, listener, socket) = listening(sharing).await;
            let listener = std::sync::Arc::new(listener);
            let tasks: Vec<_> = (0..4)
                .map(|_| {
                    let listener = std::sync::Arc::clone(&listener);
                    tokio::spawn(async move { listener.accept().await.unwrap().1 })
                })
                .collect();
            let mut clients = Vec::new();
            for _ in 0..4 {
                clients.push(socket.connect().await);
            }
            for task in tasks {
                within(task).await.unwrap();
            }
        });
    }
}

#[test]
fn connections_come_as_a_stream() {
    for sharing in BOTH {
        on_both_runtimes(async || {
            let (_cluster, _watcher, listener, socket) = listening(sharing).await;
            let mut incoming = listener.incoming();
            for _ in 0..2 {
                let mut client = socket.connect().await;
                let next =
                    std::future::poll_fn(|cx| std::pin::Pin::new(&mut incoming).poll_next(cx));
                let mut server = within(next).await.unwrap().unwrap();
                assert!(are_connected(&mut client, &mut server).await);
            }
        });
    }
}

#[test]
fn a_std_listener_is_shared_by_transfer() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let asking = cluster.clone();
        let asking = tokio::spawn(async move { asking.listen_std("127.0.0.1:0").await });
        let FromWorker::Listen { options, .. } = watcher.receive().await else {
            panic!("not a request to listen");
        };
        assert_eq!(options.sharing, Some(Sharing::Transfer));
        asking.abort();
    });
}

#[test]
fn a_lost_link_fails_requests_that_wait() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let asking = cluster.clone();
        let asking = tokio::spawn(async move { asking.listen("127.0.0.1:0").await });
        watcher.receive().await;
        drop(watcher);
        let error = within(asking).await.unwrap().unwrap_err();
        assert!(matches!(error, ListenError::LinkLost(_)), "{error}");
    });
}

#[test]
fn a_draining_worker_listens_to_nothing_new() {
    on_both_runtimes(async || {
        let (cluster, watcher): (Cluster, _) = joined().await;
        watcher.drain(super::harness::BOUND, &[]);
        within(cluster.draining()).await;
        let error = within(cluster.listen("127.0.0.1:0")).await.unwrap_err();
        assert!(matches!(error, ListenError::Draining(_)), "{error}");
    });
}

#[test]
fn the_end_of_a_client_reaches_the_application() {
    on_both_runtimes(async || {
        let (_cluster, _watcher, listener, socket) = listening(Sharing::Transfer).await;
        let client = socket.connect().await;
        let (mut server, _) = within(listener.accept()).await.unwrap();
        drop(client);
        assert_eq!(within(server.read(&mut [0])).await.unwrap(), 0);
    });
}
