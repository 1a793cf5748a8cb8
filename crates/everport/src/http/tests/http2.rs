//! HTTP/2: connections end by `GOAWAY`, spoken here frame by frame (RFC 9113).

use std::convert::Infallible;
use std::time::{Duration, Instant};

use everport_core::DrainReason;
use hyper::Response;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::scene::{CLOSED_ONE, Client, NEVER, SOON, Scene};
use crate::cluster::tests::harness::{BOUND, joined, on_both_runtimes, pends, within};
use crate::http::Server;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const NO_STREAM: [u8; 4] = [0; 4];
const FIRST_STREAM: [u8; 4] = [0, 0, 0, 1];
/// `GET http://test/`, mostly out of the static table (RFC 7541, appendix A).
const REQUEST: &[u8] = b"\x82\x86\x84\x41\x04test";
/// The same for `/slow`.
const SLOW_REQUEST: &[u8] = b"\x82\x86\x04\x05/slow\x41\x04test";
const END_STREAM_AND_HEADERS: u8 = 1 | 4;

struct Frame {
    kind: u8,
    flags: u8,
    payload: Vec<u8>,
}

impl Client {
    async fn send_frame(&mut self, kind: u8, flags: u8, payload: &[u8]) {
        self.send_frame_of(NO_STREAM, kind, flags, payload).await;
    }

    async fn send_frame_of(&mut self, stream: [u8; 4], kind: u8, flags: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream].concat();
        self.0.write_all(&head).await.unwrap();
        self.0.write_all(payload).await.unwrap();
    }

    /// The next frame; `None` when the server has closed the connection.
    async fn frame(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        within(self.0.read_exact(&mut head)).await.ok()?;
        let length = usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        within(self.0.read_exact(&mut payload)).await.unwrap();
        Some(Frame {
            kind: head[3],
            flags: head[4],
            payload,
        })
    }

    async fn greet(&mut self) {
        self.0.write_all(PREFACE).await.unwrap();
        self.send_frame(SETTINGS, 0, &[]).await;
    }

    async fn frame_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.frame().await.expect("the connection is open");
            if frame.kind == kind {
                return frame;
            }
        }
    }

    /// Plays the client's part at the end of a connection: the server says twice that it goes.
    async fn is_sent_away(&mut self) {
        let first = self.frame_of(GOAWAY).await;
        assert_eq!(first.payload[..4], [0x7f, 0xff, 0xff, 0xff], "any stream");
        let ping = self.frame_of(PING).await;
        assert_eq!(ping.flags & ACK, 0);
        self.send_frame(PING, ACK, &ping.payload).await;
        let last = self.frame_of(GOAWAY).await;
        assert_eq!(last.payload[..4], NO_STREAM, "no stream was opened");
        assert!(self.frame().await.is_none());
    }
}

/// A server with this idle minimum on a rollout, and a client that has spoken with it.
async fn greeted(minimum: Duration) -> (Scene, Client) {
    let scene = Scene::open(|server| server.idle_minimum_on_rollout(minimum)).await;
    let mut client = scene.client().await;
    client.greet().await;
    client.frame_of(SETTINGS).await;
    (scene, client)
}

#[test]
fn an_idle_connection_is_sent_away_at_once_and_in_two_steps() {
    on_both_runtimes(async || {
        let (scene, mut client) = greeted(NEVER).await;
        scene.drain(DrainReason::Rollout, BOUND).await;
        client.is_sent_away().await;
        drop(client);
        assert_eq!(scene.end().await, CLOSED_ONE);
    });
}

#[test]
fn a_client_that_is_sending_still_is_not_reset_after_the_last_goaway() {
    on_both_runtimes(async || {
        let (scene, mut client) = greeted(NEVER).await;
        scene.drain(DrainReason::Rollout, NEVER).await;
        client.is_sent_away().await;
        // The second one would fail if the first one had been answered by a reset.
        for _ in 0..10 {
            client.send_frame(PING, 0, &[0; 8]).await;
        }
        drop(client);
        scene.end().await;
    });
}

#[test]
fn a_client_that_does_not_close_is_given_up_after_the_minimum() {
    on_both_runtimes(async || {
        let (scene, mut client) = greeted(SOON).await;
        let began = Instant::now();
        scene.drain(DrainReason::Rollout, NEVER).await;
        client.is_sent_away().await;
        assert_eq!(scene.end().await, CLOSED_ONE);
        assert!(began.elapsed() >= SOON);
        drop(client);
    });
}

#[test]
fn a_connection_that_turns_out_to_be_http2_during_the_drain_is_sent_away_then() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(NEVER)).await;
        let mut client = scene.client().await;
        scene.drain(DrainReason::Rollout, BOUND).await;
        client.greet().await;
        client.is_sent_away().await;
    });
}

#[test]
fn a_request_that_crosses_the_first_goaway_is_answered() {
    on_both_runtimes(async || {
        let (scene, mut client) = greeted(NEVER).await;
        scene.drain(DrainReason::Rollout, BOUND).await;
        client.frame_of(GOAWAY).await;
        // The server has sent it, and the client has not yet said that it knows.
        client
            .send_frame_of(FIRST_STREAM, HEADERS, END_STREAM_AND_HEADERS, REQUEST)
            .await;
        let ping = client.frame_of(PING).await;
        client.send_frame(PING, ACK, &ping.payload).await;
        let mut last_stream = None;
        let mut answer = Vec::new();
        while let Some(frame) = client.frame().await {
            match frame.kind {
                GOAWAY => last_stream = Some(frame.payload[..4].to_vec()),
                DATA => answer.extend_from_slice(&frame.payload),
                _ => {}
            }
        }
        assert_eq!(String::from_utf8_lossy(&answer), "Hello, World!");
        assert_eq!(last_stream, Some(FIRST_STREAM.to_vec()));
        drop(client);
        assert_eq!(scene.end().await, CLOSED_ONE);
    });
}

#[test]
fn a_client_that_does_not_reply_is_given_up_after_the_minimum() {
    on_both_runtimes(async || {
        let (scene, mut client) = greeted(SOON).await;
        let began = Instant::now();
        scene.drain(DrainReason::Rollout, NEVER).await;
        client.frame_of(PING).await;
        while client.frame().await.is_some() {}
        assert!(began.elapsed() >= SOON);
        assert_eq!(scene.end().await, CLOSED_ONE);
    });
}

#[test]
fn a_client_that_does_not_reply_is_answered_first() {
    on_both_runtimes(async || {
        let scene = Scene::open(|server| server.idle_minimum_on_rollout(SOON)).await;
        let mut client = scene.client().await;
        client.greet().await;
        client
            .send_frame_of(FIRST_STREAM, HEADERS, END_STREAM_AND_HEADERS, SLOW_REQUEST)
            .await;
        while !pends(scene.gate.notified()).await {}
        scene.drain(DrainReason::Rollout, NEVER).await;
        client.frame_of(PING).await;
        tokio::time::sleep(SOON * 2).await; // this is the pause that must not matter
        scene.gate.notify_waiters();
        scene.gate.notify_one();
        assert_eq!(client.frame_of(DATA).await.payload, b"Hello, World!");
    });
}

#[test]
fn a_client_that_takes_nothing_for_a_while_gets_its_answer() {
    on_both_runtimes(async || {
        let (cluster, watcher) = joined().await;
        // Takes in what a client sends here, and less than what it is sent.
        let (mut client, stream) = tokio::io::duplex(64);
        let service =
            service_fn(async |_| Ok::<_, Infallible>(Response::new("Hello, World!".to_owned())));
        let server = Server::new(&cluster).idle_minimum_on_rollout(SOON);
        let serving = tokio::spawn(server.serve_connection(stream, service));
        let settings = [0, 0, 0, SETTINGS, 0, 0, 0, 0, 0];
        let length = u8::try_from(REQUEST.len()).unwrap();
        let head = [
            &[0, 0, length, HEADERS, END_STREAM_AND_HEADERS],
            &FIRST_STREAM[..],
        ]
        .concat();
        let said = [PREFACE, &settings, &head, REQUEST].concat();
        client.write_all(&said).await.unwrap();
        assert!(pends(cluster.draining()).await); // time for the request to come in
        watcher.drain(BOUND, &[]);
        within(cluster.draining()).await;
        tokio::time::sleep(SOON * 2).await; // this is the pause that must not matter
        let mut told = Vec::new();
        within(client.read_to_end(&mut told)).await.unwrap();
        assert!(String::from_utf8_lossy(&told).contains("Hello, World!"));
        within(serving).await.unwrap();
    });
}
