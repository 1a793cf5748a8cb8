//! The listeners under axum.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::routing::get;
use axum::serve::ListenerExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::harness::{BOUND, listening, on_both_runtimes, within};
use crate::Sharing;
use crate::link::{Drained, FromWorker};

#[test]
fn axum_serves_answers_what_is_under_way_and_stops() {
    for sharing in [Sharing::Reuseport, Sharing::Transfer] {
        on_both_runtimes(async || {
            let (cluster, mut watcher, listener, socket) = listening(sharing).await;
            let handler = async |ConnectInfo(client): ConnectInfo<SocketAddr>| client.to_string();
            let app = Router::new()
                .route("/", get(handler))
                .into_make_service_with_connect_info::<SocketAddr>();
            let serving = axum::serve(listener.tap_io(|_| {}), app)
                .with_graceful_shutdown(cluster.terminated());
            let serving = tokio::spawn(serving.into_future());
            watcher.expect(FromWorker::Ready).await;

            // Accepted, but its request comes only after the drain has begun.
            let mut client = socket.connect().await;
            while cluster.state.connections.open() == 0 {
                tokio::task::yield_now().await;
            }
            watcher.drain(BOUND, &[]);
            within(cluster.draining()).await;
            let request = b"GET / HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
            client.write_all(request).await.unwrap();
            let mut answer = String::new();
            within(client.read_to_string(&mut answer)).await.unwrap();
            let address = client.local_addr().unwrap().to_string();
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
            assert!(answer.ends_with(&address), "{answer}");

            within(serving).await.unwrap().unwrap();
            within(cluster.leave()).await.unwrap();
            let finished = Drained {
                finished: 1,
                ..Drained::default()
            };
            watcher.expect(FromWorker::Left(finished)).await;
        });
    }
}
