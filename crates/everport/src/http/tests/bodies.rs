//! Bodies of requests that come after the answer: what of them counts as what.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use everport_core::DrainReason;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::scene::{CLOSED_ONE, Client, LATER, NEVER, SOON, Scene, says_close};
use crate::cluster::tests::harness::{BOUND, on_both_runtimes, pends};
use crate::http::Server;

/// Answers as soon as the head has come, and reads the body after that.
async fn accept_early(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    tokio::spawn(async move {
        while poll_fn(|cx| Pin::new(request.body_mut()).poll_frame(cx))
            .await
            .is_some()
        {}
    });
    Ok(Response::new("Hello, World!".to_owned()))
}

/// A client that has its answer, and ten bytes of its request still to send.
async fn answered_early(settings: impl FnOnce(Server) -> Server) -> (Scene, Client) {
    let scene = Scene::open_with(settings, Arc::default(), service_fn(accept_early)).await;
    let mut client = scene.client().await;
    client
        .say("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 20\r\n\r\n0123456789")
        .await;
    assert!(!says_close(&client.answer().await));
    (scene, client)
}

#[test]
fn a_body_that_goes_on_after_the_answer_may_take_longer_than_a_head() {
    on_both_runtimes(async || {
        let (_scene, mut client) = answered_early(|server| server.header_read_timeout(LATER)).await;
        client.say("01234").await;
        tokio::time::sleep(LATER * 2).await; // this is the pause that must not matter
        client.say("56789").await;
        client.ask("/").await;
        client.answer().await;
    });
}

#[test]
fn a_connection_whose_body_came_late_is_kept_while_it_is_idle() {
    on_both_runtimes(async || {
        let (_scene, mut client) = answered_early(|server| server.header_read_timeout(LATER)).await;
        client.say("0123456789").await;
        tokio::time::sleep(LATER * 2).await; // this is the pause that must not matter
        client.ask("/").await;
        client.answer().await;
    });
}

#[test]
fn a_connection_whose_body_came_late_holds_no_drain() {
    on_both_runtimes(async || {
        let (scene, mut client) =
            answered_early(|server| server.idle_minimum_on_rollout(SOON)).await;
        client.say("0123456789").await;
        assert!(pends(client.0.peek(&mut [0])).await); // time for it to come in
        scene.drain(DrainReason::Rollout, NEVER).await;
        assert_eq!(client.rest().await, "");
        assert_eq!(scene.end().await, CLOSED_ONE);
    });
}

#[test]
fn half_a_head_behind_a_body_has_the_idle_minimum_for_its_rest() {
    on_both_runtimes(async || {
        let (scene, mut client) =
            answered_early(|server| server.idle_minimum_on_rollout(NEVER)).await;
        client.say("0123456789GET / HT").await;
        scene.drain(DrainReason::Rollout, BOUND).await;
        client.say("TP/1.1\r\nHost: test\r\n\r\n").await;
        assert!(says_close(&client.answer().await));
        assert_eq!(client.rest().await, "");
    });
}
