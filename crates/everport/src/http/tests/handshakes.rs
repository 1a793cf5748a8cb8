//! Accept loops of one's own, with a handshake before HTTP: a drain waits for it.

use std::convert::Infallible;
use std::io;
use std::time::Duration;

use hyper::Response;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::scene::{CLOSED_ONE, Client, LATER, NEVER, says_close};
use crate::cluster::tests::harness::{BOUND, Watcher, listening, on_both_runtimes, pends, within};
use crate::http::Server;
use crate::link::{Drained, FromWorker};
use crate::{Cluster, LeaveError, Sharing};

/// Two steps from either side, as many protocols have them.
async fn shake_hands(mut stream: crate::TcpStream) -> io::Result<crate::TcpStream> {
    for _ in 0..2 {
        let step = stream.read_u8().await?;
        stream.write_u8(step).await?;
    }
    Ok(stream)
}

async fn step(client: &mut TcpStream) {
    client.write_u8(b'!').await.unwrap();
    assert_eq!(within(client.read_u8()).await.unwrap(), b'!');
}

/// The loop of the documentation.
async fn accept(
    cluster: Cluster,
    server: Server,
    listener: crate::TcpListener,
) -> Result<(), LeaveError> {
    let service =
        service_fn(async |_| Ok::<_, Infallible>(Response::new("Hello, World!".to_owned())));
    loop {
        let (stream, _client) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            () = cluster.terminated() => break,
        };
        tokio::spawn(server.serve_connection_after(shake_hands(stream), service));
    }
    cluster.leave().await
}

/// A worker in a drain, and a client that is halfway through its handshake.
async fn drained_halfway(
    timeout: Duration,
    settings: impl FnOnce(Server) -> Server,
) -> (Watcher, TcpStream, JoinHandle<Result<(), LeaveError>>) {
    let (cluster, mut watcher, listener, socket) = listening(Sharing::Reuseport).await;
    let server = settings(Server::new(&cluster));
    let mut leaving = tokio::spawn(accept(cluster.clone(), server, listener));
    watcher.expect(FromWorker::Ready).await;
    let mut client = socket.connect().await;
    step(&mut client).await;
    watcher.drain(timeout, &[]);
    within(cluster.terminated()).await;
    assert!(timeout < BOUND || pends(&mut leaving).await);
    (watcher, client, leaving)
}

#[test]
fn a_client_whose_handshake_a_drain_overtakes_is_answered() {
    on_both_runtimes(async || {
        let (mut watcher, mut client, leaving) =
            drained_halfway(NEVER, |server| server.idle_minimum_on_rollout(NEVER)).await;
        step(&mut client).await;
        let mut client = Client(client);
        client.ask("/").await;
        assert!(says_close(&client.answer().await));
        assert_eq!(client.rest().await, "");
        within(leaving).await.unwrap().unwrap();
        watcher.expect(FromWorker::Left(CLOSED_ONE)).await;
    });
}

#[test]
fn a_handshake_that_does_not_end_is_cut_at_the_deadline() {
    on_both_runtimes(async || {
        let (mut watcher, mut client, leaving) = drained_halfway(LATER, |server| server).await;
        within(client.read_to_end(&mut Vec::new())).await.ok(); // a reset is as good an end as any
        within(leaving).await.unwrap().unwrap();
        let cut = Drained {
            cut: 1,
            ..Drained::default()
        };
        watcher.expect(FromWorker::Left(cut)).await;
    });
}

#[test]
fn a_handshake_that_takes_longer_than_a_head_may_is_given_up() {
    on_both_runtimes(async || {
        let settings = |server: Server| server.header_read_timeout(LATER);
        let (mut watcher, mut client, leaving) = drained_halfway(BOUND, settings).await;
        within(client.read_to_end(&mut Vec::new())).await.ok(); // a reset is as good an end as any
        within(leaving).await.unwrap().unwrap();
        let finished = Drained {
            finished: 1,
            ..Drained::default()
        };
        watcher.expect(FromWorker::Left(finished)).await;
    });
}
