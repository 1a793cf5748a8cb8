//! When connections of HTTP/1 are closed: after an answer, or after they have been idle for long enough.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::time::Instant;

use everport_core::DrainReason;
use hyper::body::{Body, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};

use super::scene::{CLOSED_ONE, LATER, NEVER, SOON, Scene, says_close};
use crate::cluster::tests::harness::{BOUND, on_both_runtimes, pends, within};
use crate::link::{Drained, FromWatcher};

#[test]
fn connections_are_kept_until_the_worker_drains() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server).await;
        let mut client = scene.client().await;
        for _ in 0..3 {
            client.ask("/").await;
            assert!(!says_close(&client.answer().await));
        }
    });
}

#[test]
fn each_answer_of_a_draining_worker_closes_its_connection() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(NEVER)).await;
        let mut asked_before = scene.client().await;
        let mut asks_later = scene.client().await;
        asks_later.ask("/").await;
        asks_later.answer().await;
        asked_before.ask("/slow").await;
        // The request is there once it waits for the gate: then the answer to it can be made.
        while !pends(scene.gate.notified()).await {}
        scene.drain(DrainReason::Rollout, BOUND).await;
        scene.gate.notify_waiters();
        scene.gate.notify_one();
        assert!(says_close(&asked_before.answer().await));
        assert_eq!(asked_before.rest().await, "");
        asks_later.ask("/").await;
        assert!(says_close(&asks_later.answer().await));
        assert_eq!(asks_later.rest().await, "");
        let closed = Drained {
            closed: 2,
            ..Drained::default()
        };
        assert_eq!(scene.end().await, closed);
    });
}

#[test]
fn an_idle_connection_is_closed_after_the_minimum_and_not_before() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(SOON)).await;
        let mut client = scene.client().await;
        client.ask("/").await;
        client.answer().await;
        let began = Instant::now();
        scene.drain(DrainReason::Rollout, BOUND).await;
        assert_eq!(client.rest().await, "");
        assert!(began.elapsed() >= SOON);
        assert_eq!(scene.end().await, CLOSED_ONE);
    });
}

#[test]
fn a_stop_is_in_more_of_a_hurry_than_a_rollout_even_when_it_comes_later() {
    on_both_runtimes(async || {
        let settings = |server: crate::http::Server| {
            server
                .idle_minimum_on_rollout(NEVER)
                .idle_minimum_on_stop(SOON)
        };
        let scene = Scene::open(settings).await;
        let mut client = scene.client().await;
        client.ask("/").await;
        client.answer().await;
        scene.drain(DrainReason::Rollout, BOUND).await;
        assert!(pends(client.0.peek(&mut [0])).await);
        scene.drain(DrainReason::Stop, BOUND).await;
        assert_eq!(client.rest().await, "");
    });
}

#[test]
fn a_fresh_connection_may_still_send_its_first_request() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(NEVER)).await;
        let mut client = scene.client().await;
        scene.drain(DrainReason::Rollout, BOUND).await;
        // Longer than the drain waits for a first byte before it says that idle connections may be closed.
        within(scene.cluster.terminated()).await;
        client.ask("/").await;
        assert!(says_close(&client.answer().await));
        assert_eq!(client.rest().await, "");
    });
}

#[test]
fn a_fresh_connection_that_says_nothing_is_closed_after_the_minimum() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(SOON)).await;
        let mut client = scene.client().await;
        let began = Instant::now();
        scene.drain(DrainReason::Rollout, BOUND).await;
        assert_eq!(client.rest().await, "");
        assert!(began.elapsed() >= SOON);
    });
}

#[test]
fn half_a_request_is_waited_for_whatever_the_minimum() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(SOON)).await;
        let mut fresh = scene.client().await;
        let mut kept = scene.client().await;
        kept.ask("/").await;
        kept.answer().await;
        for client in [&mut fresh, &mut kept] {
            client.say("GET / HTTP/1.1\r\nHo").await;
        }
        scene.drain(DrainReason::Rollout, BOUND).await;
        tokio::time::sleep(SOON * 2).await; // this is the pause that must not matter
        for client in [&mut fresh, &mut kept] {
            assert!(pends(client.0.peek(&mut [0])).await);
            client.say("st: test\r\n\r\n").await;
            assert!(says_close(&client.answer().await));
            assert_eq!(client.rest().await, "");
        }
    });
}

#[test]
fn half_a_request_behind_a_whole_one_is_waited_for_too() {
    const WHOLE: &str = "GET / HTTP/1.1\r\nHost: test\r\n\r\n";
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(SOON)).await;
        let mut behind_one = scene.client().await;
        behind_one.say(&format!("{WHOLE}GET / HT")).await;
        let mut behind_two = scene.client().await;
        behind_two.say(&format!("{WHOLE}{WHOLE}GET / HT")).await;
        behind_two.answer().await;
        let mut during_the_answer = scene.client().await;
        during_the_answer.ask("/slow").await;
        while !pends(scene.gate.notified()).await {}
        during_the_answer.say("GET / HT").await;
        assert!(pends(during_the_answer.0.peek(&mut [0])).await); // time for the half to come in
        scene.gate.notify_waiters();
        scene.gate.notify_one();
        let mut clients = [behind_one, behind_two, during_the_answer];
        for client in &mut clients {
            assert!(!says_close(&client.answer().await));
        }
        scene.drain(DrainReason::Rollout, BOUND).await;
        tokio::time::sleep(SOON * 2).await; // this is the pause that must not matter
        for client in &mut clients {
            assert!(pends(client.0.peek(&mut [0])).await);
            client.say("TP/1.1\r\nHost: test\r\n\r\n").await;
            assert!(says_close(&client.answer().await));
            assert_eq!(client.rest().await, "");
        }
    });
}

/// Answers when the body of a request has come.
async fn read_to_the_end(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    while poll_fn(|cx| Pin::new(request.body_mut()).poll_frame(cx))
        .await
        .is_some()
    {}
    Ok(Response::new("Hello, World!".to_owned()))
}

#[test]
fn whatever_a_whole_request_ends_with_is_not_half_of_another_one() {
    on_both_runtimes(async || {
        let settings = |server: crate::http::Server| server.idle_minimum_on_rollout(SOON);
        let service = service_fn(read_to_the_end);
        let scene = Scene::open_with(settings, std::sync::Arc::default(), service).await;
        let post = "POST / HTTP/1.1\r\nHost: test\r\n";
        let at_once = format!("{post}Content-Length: 4\r\n\r\ntext");
        let in_pieces = format!("{post}Content-Length: 4\r\n\r\nte");
        let chunked = format!("{post}Transfer-Encoding: chunked\r\n\r\n4\r\nte");
        let requests = [
            [at_once.as_str(), ""],
            [in_pieces.as_str(), "xt"],
            [chunked.as_str(), "xt\r\n0\r\n\r\n"],
            ["GET / HTTP/1.1\nHost: ", "test\n\n"],
            ["GET / HTTP/1.1\r\nHost: test\r\n\r", "\n"],
        ];
        let mut clients = Vec::new();
        for [first, second] in requests {
            let mut client = scene.client().await;
            client.say(first).await;
            assert!(second.is_empty() || pends(client.0.peek(&mut [0])).await);
            client.say(second).await;
            client.answer().await;
            clients.push(client);
        }
        scene.drain(DrainReason::Rollout, BOUND).await;
        for client in &mut clients {
            assert_eq!(client.rest().await, "");
        }
        let closed = Drained {
            closed: 5,
            ..Drained::default()
        };
        assert_eq!(scene.end().await, closed);
    });
}

#[test]
fn a_pause_within_an_answer_is_not_idleness() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(SOON / 10)).await;
        let mut client = scene.client().await;
        client.ask("/slow").await;
        while !pends(scene.gate.notified()).await {}
        scene.drain(DrainReason::Rollout, BOUND).await;
        assert!(pends(client.0.peek(&mut [0])).await);
        scene.gate.notify_waiters();
        scene.gate.notify_one();
        client.answer().await;
    });
}

#[test]
fn a_head_that_takes_too_long_is_given_up_and_a_kept_connection_is_not() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.header_read_timeout(LATER)).await;
        let mut silent = scene.client().await;
        let mut slow = scene.client().await;
        let mut kept = scene.client().await;
        kept.ask("/").await;
        kept.answer().await;
        slow.say("GET / HT").await;
        assert_eq!(silent.rest().await, "");
        assert_eq!(slow.rest().await, "");
        kept.ask("/").await;
        kept.answer().await;
        kept.say("GET / HT").await;
        assert_eq!(kept.rest().await, "");
    });
}

#[test]
fn a_stop_that_was_announced_closes_idle_connections_as_well() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_stop(SOON)).await;
        let mut kept = scene.client().await;
        kept.ask("/").await;
        kept.answer().await;
        let delay = NEVER;
        scene.watcher.send(&FromWatcher::Announce { delay });
        within(scene.cluster.leaving()).await;
        assert!(pends(kept.0.peek(&mut [0])).await);
        scene.drain(DrainReason::Stop, NEVER).await;
        assert_eq!(kept.rest().await, "");
    });
}
