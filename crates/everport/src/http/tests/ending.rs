//! The end of a drain: who is waited for, and what is reported.

use std::convert::Infallible;
use std::time::Duration;

use everport_core::DrainReason;
use hyper::Response;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::scene::{CLOSED_ONE, LATER, NEVER, Scene, says_close};
use crate::cluster::tests::harness::{BOUND, joined, on_both_runtimes, pends, within};
use crate::http::Server;
use crate::link::{Drained, FromWorker};

#[test]
fn what_is_left_at_the_deadline_is_cut_and_counted() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(NEVER)).await;
        let mut half = scene.client().await;
        half.say("GET / HTTP/1.1\r\nHo").await;
        let mut unanswered = scene.client().await;
        unanswered.ask("/slow").await;
        let mut idle = scene.client().await;
        idle.ask("/").await;
        idle.answer().await;
        let mut leaver = scene.client().await;
        leaver.ask("/").await;
        leaver.answer().await;
        scene.drain(DrainReason::Rollout, LATER).await;
        drop(leaver);
        for client in [&mut half, &mut unanswered, &mut idle] {
            // A reset is as good an end as any here.
            within(client.0.read_to_end(&mut Vec::new())).await.ok();
        }
        let expected = Drained {
            finished: 1,
            closed: 0,
            cut: 3,
        };
        assert_eq!(scene.end().await, expected);
    });
}

#[test]
fn serving_goes_on_until_the_last_answer() {
    on_both_runtimes(async || {
        let mut scene = Scene::open(|server| server).await;
        let mut client = scene.client().await;
        client.ask("/slow").await;
        while !pends(scene.gate.notified()).await {}
        scene.drain(DrainReason::Stop, BOUND).await;
        within(scene.cluster.terminated()).await;
        assert!(pends(&mut scene.serving).await);
        scene.gate.notify_waiters();
        scene.gate.notify_one();
        client.answer().await;
        assert_eq!(scene.end().await.closed, 1);
    });
}

#[test]
fn leaving_waits_for_connections_whose_accept_loop_is_gone() {
    on_both_runtimes(async || {
        let mut scene = Scene::open(|server| server.idle_minimum_on_rollout(NEVER)).await;
        let mut client = scene.client().await;
        client.ask("/slow").await;
        while !pends(scene.gate.notified()).await {}
        scene.serving.abort();
        let release = scene.watcher.receive().await;
        assert!(matches!(release, FromWorker::Release { .. }), "{release:?}");
        let cluster = scene.cluster.clone();
        let mut leaving = tokio::spawn(async move { cluster.leave().await });
        scene.watcher.expect(FromWorker::Leaving).await;
        within(scene.cluster.terminated()).await;
        assert!(pends(&mut leaving).await);
        scene.gate.notify_waiters();
        scene.gate.notify_one();
        client.answer().await;
        within(leaving).await.unwrap().unwrap();
        scene.watcher.expect(FromWorker::Left(CLOSED_ONE)).await;
    });
}

#[test]
fn a_stream_of_ones_own_is_served_drained_and_counted() {
    on_both_runtimes(async || {
        let (cluster, mut watcher) = joined().await;
        let (mut ours, theirs) = tokio::io::duplex(1024);
        let service =
            service_fn(async |_| Ok::<_, Infallible>(Response::new("Hello, World!".to_owned())));
        let server = Server::new(&cluster).idle_minimum_on_rollout(Duration::ZERO);
        let connection = tokio::spawn(server.serve_connection(theirs, service));
        ours.write_all(b"GET / HT").await.unwrap();
        assert!(pends(cluster.draining()).await); // time for the half to come in
        watcher.drain(BOUND, &[]);
        within(cluster.terminated()).await;
        ours.write_all(b"TP/1.1\r\nHost: test\r\n\r\n")
            .await
            .unwrap();
        let mut answer = String::new();
        within(ours.read_to_string(&mut answer)).await.unwrap();
        assert!(says_close(&answer), "{answer}");
        within(connection).await.unwrap();
        within(cluster.leave()).await.unwrap();
        watcher.expect(FromWorker::Left(CLOSED_ONE)).await;
    });
}

#[test]
fn serving_a_connection_takes_little_memory_beyond_hyper() {
    on_both_runtimes(async || {
        let (cluster, _watcher) = joined().await;
        let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
        let (ours, _theirs) = tokio::io::duplex(1);
        let (alone, _theirs) = tokio::io::duplex(1);
        let hyper = auto::Builder::new(TokioExecutor::new());
        let alone = hyper.serve_connection_with_upgrades(TokioIo::new(alone), service);
        let alone = size_of_val(&alone);
        let served = size_of_val(&Server::new(&cluster).serve_connection(ours, service));
        assert!(served < 2 * alone, "{served} bytes beside hyper's {alone}");
    });
}

#[test]
fn streams_from_elsewhere_add_up_with_accepted_ones() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(NEVER)).await;
        let server = Server::new(&scene.cluster).idle_minimum_on_rollout(NEVER);
        let service = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
        let (mut asks, stream) = tokio::io::duplex(1024);
        let asking = tokio::spawn(server.serve_connection(stream, service));
        let (goes, stream) = tokio::io::duplex(1024);
        let going = tokio::spawn(server.serve_connection(stream, service));
        let accepted = scene.client().await;
        scene.drain(DrainReason::Rollout, BOUND).await;
        drop(goes);
        within(going).await.unwrap();
        asks.write_all(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            .await
            .unwrap();
        within(asks.read_to_end(&mut Vec::new())).await.unwrap();
        within(asking).await.unwrap();
        drop(accepted);
        let expected = Drained {
            finished: 2,
            closed: 1,
            cut: 0,
        };
        assert_eq!(scene.end().await, expected);
    });
}
