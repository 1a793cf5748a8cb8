//! The header `Connection` of answers while a worker drains.

use std::sync::Arc;

use everport_core::DrainReason;
use hyper::Response;
use hyper::header::{CONNECTION, UPGRADE};
use hyper::service::service_fn;

use super::scene::{NEVER, Scene};
use crate::cluster::tests::harness::{BOUND, on_both_runtimes, pends};
use crate::http::Server;

const KEPT: &str = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";

/// What an answer's header says.
fn connection(answer: &str) -> String {
    let answer = answer.to_lowercase();
    let mut values = answer
        .lines()
        .filter_map(|line| line.strip_prefix("connection: "));
    let value = values.next().unwrap_or_default().to_owned();
    assert_eq!(values.next(), None, "{answer}");
    value
}

#[test]
fn a_client_of_http_1_0_that_wants_to_keep_its_connection_is_told_one_thing() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(NEVER)).await;
        let mut client = scene.client().await;
        client.say(KEPT).await;
        assert_eq!(connection(&client.said().await), "keep-alive");
        scene.drain(DrainReason::Rollout, BOUND).await;
        client.say(KEPT).await;
        assert_eq!(connection(&client.rest().await), "close");
    });
}

/// The last answer of a worker whose service answers so.
async fn last_answer(status: u16, said: &'static str, request: &str) -> String {
    let service = service_fn(move |_| async move {
        Response::builder()
            .status(status)
            .header(CONNECTION, said)
            .header(UPGRADE, "echo")
            .body(String::new())
    });
    let settings = |server: Server| server.idle_minimum_on_rollout(NEVER);
    let scene = Scene::open_with(settings, Arc::default(), service).await;
    let mut client = scene.client().await;
    scene.drain(DrainReason::Rollout, BOUND).await;
    client.say(request).await;
    client.rest().await
}

#[test]
fn what_an_answer_says_itself_is_kept_but_for_what_contradicts() {
    on_both_runtimes(async || {
        let get = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
        let answer = last_answer(426, "upgrade", get).await;
        assert_eq!(connection(&answer), "close, upgrade");
        let answer = last_answer(200, "Keep-Alive", get).await;
        assert_eq!(connection(&answer), "close");
    });
}

#[test]
fn a_tunnel_that_is_opened_during_a_drain_is_not_closed() {
    on_both_runtimes(async || {
        let service = service_fn(async |request| {
            tokio::spawn(async {
                // Holds the tunnel open until the client goes.
                let upgraded = hyper::upgrade::on(request).await.unwrap();
                let mut tunnel = hyper_util::rt::TokioIo::new(upgraded);
                tokio::io::copy(&mut tunnel, &mut tokio::io::sink())
                    .await
                    .ok();
            });
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        });
        let settings = |server: Server| server.idle_minimum_on_rollout(NEVER);
        let scene = Scene::open_with(settings, Arc::default(), service).await;
        let mut client = scene.client().await;
        scene.drain(DrainReason::Rollout, BOUND).await;
        client
            .say("CONNECT test:1 HTTP/1.1\r\nHost: test\r\n\r\n")
            .await;
        assert_eq!(connection(&client.head().await), "");
        assert!(pends(client.0.peek(&mut [0])).await);
    });
}
