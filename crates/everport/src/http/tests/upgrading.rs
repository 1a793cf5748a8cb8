//! Connections that were upgraded: they are told, awaited, and counted.

use std::sync::Arc;
use std::time::{Duration, Instant};

use everport_core::DrainReason;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;

use super::scene::{Client, LATER, SOON, Scene};
use crate::Cluster;
use crate::cluster::tests::harness::{BOUND, on_both_runtimes, pends, within};
use crate::http::Server;
use crate::link::Drained;

const REQUEST: &str =
    "GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

/// Says `hello`, says `goodbye` when the drain begins, and then ends if it is polite. Otherwise it echoes.
async fn speak(cluster: Cluster, request: Request<Incoming>, is_polite: bool) {
    let upgraded = hyper::upgrade::on(request).await.unwrap();
    let mut connection = TokioIo::new(upgraded);
    connection.write_all(b"hello").await.unwrap();
    cluster.draining().await;
    connection.write_all(b"goodbye").await.unwrap();
    if !is_polite {
        let (mut reader, mut writer) = tokio::io::split(connection);
        tokio::io::copy(&mut reader, &mut writer).await.ok();
    }
}

/// Says `hello`, and then only writes, to a client that reads nothing.
async fn flood(_cluster: Cluster, request: Request<Incoming>) {
    let upgraded = hyper::upgrade::on(request).await.unwrap();
    let mut connection = TokioIo::new(upgraded);
    connection.write_all(b"hello").await.unwrap();
    while connection.write_all(&[0; 64 * 1024]).await.is_ok() {}
}

async fn speaking(is_polite: bool) -> (Scene, Client) {
    upgrading(move |cluster, request| speak(cluster, request, is_polite)).await
}

async fn upgrading<Handler, Ended>(handler: Handler) -> (Scene, Client)
where
    Handler: Fn(Cluster, Request<Incoming>) -> Ended + Clone + Send + 'static,
    Ended: Future<Output = ()> + Send + 'static,
{
    let cluster: Arc<std::sync::OnceLock<Cluster>> = Arc::default();
    let known = Arc::clone(&cluster);
    let service = service_fn(move |request| {
        let cluster = known.get().unwrap().clone();
        tokio::spawn(handler(cluster, request));
        async {
            Response::builder()
                .status(StatusCode::SWITCHING_PROTOCOLS)
                .header(CONNECTION, "upgrade")
                .header(UPGRADE, "echo")
                .body(String::new())
        }
    });
    let settings = |server: Server| server.idle_minimum_on_rollout(Duration::ZERO);
    let scene = Scene::open_with(settings, Arc::new(Notify::new()), service).await;
    cluster.set(scene.cluster.clone()).unwrap();
    let mut client = scene.client().await;
    client.say(REQUEST).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\nhello") {
        head.push(within(client.0.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.contains("connection: upgrade\r\n"), "{head}");
    (scene, client)
}

#[test]
fn an_upgraded_connection_says_goodbye_and_has_finished() {
    on_both_runtimes(async || {
        let (scene, mut client) = speaking(true).await;
        scene.drain(DrainReason::Rollout, BOUND).await;
        assert_eq!(client.rest().await, "goodbye");
        let finished = Drained {
            finished: 1,
            ..Drained::default()
        };
        assert_eq!(scene.end().await, finished);
    });
}

#[test]
fn an_upgraded_connection_ends_at_the_deadline_and_not_before() {
    on_both_runtimes(async || {
        let (mut scene, mut client) = speaking(false).await;
        let began = Instant::now();
        scene.drain(DrainReason::Rollout, LATER).await;
        let mut goodbye = [0; 7];
        within(client.0.read_exact(&mut goodbye)).await.unwrap();
        assert!(pends(&mut scene.serving).await);
        client.say("ping").await;
        let mut echo = [0; 4];
        within(client.0.read_exact(&mut echo)).await.unwrap();
        assert_eq!(&echo, b"ping");
        // This process goes on: it is not its end that ends the connection.
        assert_eq!(client.rest().await, "");
        assert!(began.elapsed() >= LATER);
        let cut = Drained {
            cut: 1,
            ..Drained::default()
        };
        assert_eq!(scene.end().await, cut);
    });
}

#[test]
fn an_upgraded_connection_that_is_being_written_to_ends_at_the_deadline_too() {
    on_both_runtimes(async || {
        let (scene, mut client) = upgrading(flood).await;
        scene.drain(DrainReason::Rollout, SOON).await;
        let cut = Drained {
            cut: 1,
            ..Drained::default()
        };
        let connections = Arc::clone(&scene.cluster.state.connections);
        assert_eq!(scene.end().await, cut);
        // Nothing was read until now, so the handler was woken by the deadline alone.
        within(connections.none_served()).await;
        within(client.0.read_to_end(&mut Vec::new())).await.ok();
    });
}
