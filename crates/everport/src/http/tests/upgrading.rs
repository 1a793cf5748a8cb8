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

use super::scene::{Client, SOON, Scene};
use crate::Cluster;
use crate::cluster::tests::harness::{BOUND, on_both_runtimes, pends, within};
use crate::http::Server;
use crate::link::Drained;

const REQUEST: &str =
    "GET / HTTP/1.1\r\nHost: test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n";

/// Says `hello`, says `goodbye` when the drain begins, and then ends if it is polite.
async fn speak(cluster: Cluster, request: Request<Incoming>, is_polite: bool) {
    let upgraded = hyper::upgrade::on(request).await.unwrap();
    let mut connection = TokioIo::new(upgraded);
    connection.write_all(b"hello").await.unwrap();
    cluster.draining().await;
    connection.write_all(b"goodbye").await.unwrap();
    if !is_polite {
        connection.read_to_end(&mut Vec::new()).await.ok();
    }
}

async fn upgrading(is_polite: bool) -> (Scene, Client) {
    let cluster: Arc<std::sync::OnceLock<Cluster>> = Arc::default();
    let known = Arc::clone(&cluster);
    let service = service_fn(move |request| {
        let cluster = known.get().unwrap().clone();
        tokio::spawn(speak(cluster, request, is_polite));
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
        let (scene, mut client) = upgrading(true).await;
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
fn an_upgraded_connection_is_awaited_until_the_deadline_and_not_longer() {
    on_both_runtimes(async || {
        let (mut scene, mut client) = upgrading(false).await;
        let began = Instant::now();
        scene.drain(DrainReason::Rollout, SOON * 2).await;
        let mut goodbye = [0; 7];
        within(client.0.read_exact(&mut goodbye)).await.unwrap();
        assert!(pends(&mut scene.serving).await);
        let cut = Drained {
            cut: 1,
            ..Drained::default()
        };
        assert_eq!(scene.end().await, cut);
        assert!(began.elapsed() >= SOON * 2);
        assert!(
            pends(client.0.peek(&mut [0])).await,
            "it is open until the process ends"
        );
    });
}
