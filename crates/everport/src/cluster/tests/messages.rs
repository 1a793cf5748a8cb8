//! How a worker comes to its message socket, and when it has none.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::harness::{Watcher, joined, meet, on_both_runtimes, pends, within};
use super::standalone::standalone;
use crate::Cluster;
use crate::WorkerId;
use crate::link::{Drained, FromWatcher, FromWorker, pair};
use crate::messages::{CallError, Frame, Head, Lane, Message, Peer, SendError};

const LIMIT: u32 = 1_000;

const LONG: Duration = Duration::from_secs(60);

/// Answers the worker's wish for messages, and tells it that worker 8 is there.
async fn open_messages(watcher: &mut Watcher) -> OwnedFd {
    watcher.expect(FromWorker::OpenMessages).await;
    let (ours, theirs) = pair().unwrap();
    let answer = FromWatcher::Messages { limit: LIMIT };
    watcher.send_with(&answer, &[theirs.as_fd()]);
    say(&ours, &Frame::Present { peer: eight() });
    say(&ours, &Frame::Attached);
    ours
}

fn eight() -> Peer {
    Peer::Worker(WorkerId(8))
}

fn say(socket: &OwnedFd, frame: &Frame<'_>) {
    let flags = rustix::net::SendFlags::NOSIGNAL;
    rustix::net::send(socket, &frame.encode(), flags).unwrap();
}

fn message<'body>(peer: Peer, event: &'body str, part: &'body [u8]) -> Frame<'body> {
    Frame::First {
        peer,
        head: Head::Message { event },
        length: part.len() as u64,
        part,
    }
}

/// The next frame that the worker sends.
async fn hears(socket: &OwnedFd, expected: &Frame<'_>) {
    let mut buffer = [0; 4096];
    let receive = |buffer: &mut [u8]| {
        let flags = rustix::net::RecvFlags::DONTWAIT;
        rustix::net::recv(socket, buffer, flags).map(|(_, length)| length)
    };
    let length = within(async {
        loop {
            match receive(&mut buffer) {
                Ok(length) => return length,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    })
    .await;
    assert_eq!(Frame::decode(&buffer[..length]).as_ref(), Ok(expected));
}

#[test]
fn a_worker_that_uses_no_messages_asks_for_none() {
    on_both_runtimes(|| async {
        let (cluster, mut watcher) = joined().await;
        cluster.ready();
        watcher.expect(FromWorker::Ready).await;
        assert!(watcher.hears_nothing().await);
    });
}

#[test]
fn the_socket_is_asked_for_once_and_before_the_worker_is_ready() {
    on_both_runtimes(|| async {
        let (cluster, mut watcher) = joined().await;
        let mut numbers = cluster.messages::<u32>("number").unwrap();
        cluster.answer("sum", async |_: Message<()>| 1).unwrap();
        cluster.ready();
        let socket = open_messages(&mut watcher).await;
        watcher.expect(FromWorker::Ready).await;
        say(&socket, &message(eight(), "number", b"7"));
        let number = within(numbers.next()).await.unwrap().unwrap();
        assert_eq!((number.from, number.value), (eight(), 7));
        within(cluster.send("number", &8)).await.unwrap();
        hears(&socket, &message(Peer::Watcher, "number", b"8")).await;
        assert!(watcher.hears_nothing().await);
    });
}

#[test]
fn a_worker_reaches_the_watcher_another_one_and_all_others() {
    on_both_runtimes(|| async {
        let (cluster, mut watcher) = joined().await;
        let sending = tokio::spawn({
            let cluster = cluster.clone();
            async move {
                cluster.send("number", &1).await.unwrap();
                cluster.send_to(WorkerId(8), "number", &2).await.unwrap();
                cluster.broadcast("number", &3).await.unwrap();
                cluster
                    .call::<_, u32>(WorkerId(8), "number", &4, LONG)
                    .await
            }
        });
        let socket = open_messages(&mut watcher).await;
        hears(&socket, &message(Peer::Watcher, "number", b"1")).await;
        hears(&socket, &message(eight(), "number", b"2")).await;
        hears(&socket, &message(eight(), "number", b"3")).await;
        let head = Head::Request {
            call: 1,
            event: "number",
        };
        let request = Frame::First {
            peer: eight(),
            head,
            length: 1,
            part: b"4",
        };
        hears(&socket, &request).await;
        say(&socket, &Frame::Gone { peer: eight() });
        let error = within(sending).await.unwrap().unwrap_err();
        assert!(
            matches!(error, CallError::WorkerGone(WorkerId(8))),
            "{error}"
        );
        let error = cluster.send("text", &"x".repeat(1_000)).await.unwrap_err();
        let limit = usize::try_from(LIMIT).unwrap();
        assert!(
            matches!(error, SendError::TooLong { limit: it, .. } if it == limit),
            "{error}"
        );
    });
}

#[test]
fn a_watcher_without_a_socket_is_an_error_that_says_so() {
    on_both_runtimes(|| async {
        let (cluster, mut watcher) = joined().await;
        let mut numbers = cluster.messages::<u32>("number").unwrap();
        watcher.expect(FromWorker::OpenMessages).await;
        watcher.send(&FromWatcher::Messages { limit: 0 });
        assert!(within(numbers.next()).await.is_none());
        let error = cluster.send("number", &1).await.unwrap_err();
        assert!(matches!(error, SendError::Unavailable(_)), "{error}");
    });
}

#[test]
fn a_worker_whose_watcher_dies_before_it_answers_waits_for_nothing() {
    on_both_runtimes(|| async {
        let (cluster, mut watcher) = joined().await;
        let sending = tokio::spawn({
            let cluster = cluster.clone();
            async move { cluster.send("number", &1).await }
        });
        watcher.expect(FromWorker::OpenMessages).await;
        drop(watcher);
        let error = within(sending).await.unwrap().unwrap_err();
        assert!(matches!(error, SendError::WatcherGone), "{error}");
        within(cluster.draining()).await;
        let (cluster, watcher) = joined().await;
        drop(watcher);
        within(cluster.draining()).await;
        let error = within(cluster.send("number", &1)).await.unwrap_err();
        assert!(matches!(error, SendError::WatcherGone), "{error}");
    });
}

/// A thread is left behind as its runtime hangs, and something else in the process has its `Cluster`.
#[test]
fn whoever_waits_for_messages_of_a_worker_that_is_over_learns_it_while_its_runtime_hangs() {
    on_both_runtimes(|| async {
        let (mut watcher, joining) = meet(Cluster::builder());
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let (hand_over, handed_over) = oneshot::channel();
        let worker = thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let cluster = joining.await.unwrap();
                cluster.send("number", &1).await.unwrap();
                hand_over.send(cluster).unwrap();
                may_go_on.recv().unwrap_err();
            });
        });
        watcher.welcome(LONG).await;
        let socket = open_messages(&mut watcher).await;
        let cluster = within(handed_over).await.unwrap();
        let mut numbers = cluster.messages::<u32>("number").unwrap();
        while !pends(cluster.send("text", &"x".repeat(900))).await {}
        let calling = cluster.call::<_, ()>(WorkerId(8), "number", &1, LONG);
        let sending = cluster.send("text", "late");
        // Polled last, when the others wait.
        let retiring = async { cluster.state.retire() };
        let (received, called, sent, ()) =
            within(async { tokio::join!(numbers.next(), calling, sending, retiring) }).await;
        assert!(received.is_none(), "{received:?}");
        assert!(matches!(called, Err(CallError::WatcherGone)), "{called:?}");
        assert!(matches!(sent, Err(SendError::WatcherGone)), "{sent:?}");
        // The other end sees the end, though the hanging runtime has the socket still.
        within(end_of(&socket)).await;
        drop(go_on);
        worker.join().unwrap();
    });
}

/// Waits until everything was read and the other end is closed.
async fn end_of(socket: &OwnedFd) {
    let mut buffer = [0; 4096];
    let flags = rustix::net::RecvFlags::DONTWAIT;
    loop {
        match rustix::net::recv(socket, &mut buffer[..], flags) {
            Ok((_, 0)) => return,
            Ok(_) => {}
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

#[test]
fn messages_go_on_in_a_drain_and_after_it() {
    on_both_runtimes(|| async {
        let (cluster, mut watcher) = joined().await;
        let mut numbers = cluster.messages::<u32>("number").unwrap();
        let socket = open_messages(&mut watcher).await;
        watcher.drain(Duration::from_secs(30), &[]);
        within(cluster.draining()).await;
        within(cluster.leave()).await.unwrap();
        watcher.expect(FromWorker::Left(Drained::default())).await;
        say(&socket, &message(eight(), "number", b"7"));
        assert_eq!(within(numbers.next()).await.unwrap().unwrap().value, 7);
        within(cluster.send("number", &8)).await.unwrap();
        hears(&socket, &message(Peer::Watcher, "number", b"8")).await;
    });
}

#[test]
fn a_worker_that_has_left_opens_no_messages_any_more() {
    on_both_runtimes(|| async {
        let (cluster, mut watcher) = joined().await;
        within(cluster.leave()).await.unwrap();
        watcher.expect(FromWorker::Leaving).await;
        watcher.expect(FromWorker::Left(Drained::default())).await;
        let error = within(cluster.send("number", &1)).await.unwrap_err();
        assert!(error.to_string().contains("has left"), "{error}");
        assert!(watcher.hears_nothing().await);
    });
}

#[test]
fn a_socket_that_nobody_asked_for_changes_nothing() {
    on_both_runtimes(|| async {
        let (cluster, mut watcher) = joined().await;
        let (_ours, theirs) = pair().unwrap();
        let answer = FromWatcher::Messages { limit: LIMIT };
        watcher.send_with(&answer, &[theirs.as_fd()]);
        // Answered after everything that came before it.
        watcher.send(&FromWatcher::Beat { beat: 1 });
        watcher.expect(FromWorker::Alive { beat: 1 }).await;
        let _numbers = cluster.messages::<u32>("number").unwrap();
        let socket = open_messages(&mut watcher).await;
        within(cluster.send("number", &8)).await.unwrap();
        hears(&socket, &message(Peer::Watcher, "number", b"8")).await;
    });
}

#[test]
fn what_a_worker_takes_is_credited() {
    on_both_runtimes(|| async {
        let (cluster, mut watcher) = joined().await;
        let mut texts = cluster.messages::<String>("text").unwrap();
        let socket = open_messages(&mut watcher).await;
        let text = format!("\"{}\"", "x".repeat(900));
        let frame = message(eight(), "text", text.as_bytes());
        let length = frame.encode().len() as u32;
        let enough = (32 * 1024_u32).div_ceil(length);
        for _ in 0..enough {
            say(&socket, &frame);
            within(texts.next()).await.unwrap().unwrap();
        }
        let credit = Frame::Credit {
            peer: eight(),
            lane: Lane::Messages,
            bytes: enough * length,
        };
        hears(&socket, &credit).await;
    });
}

#[test]
fn standalone_messages_go_nowhere() {
    on_both_runtimes(|| async {
        let cluster: Cluster = standalone();
        cluster.send("number", &1).await.unwrap();
        cluster.send_to(WorkerId(1), "number", &1).await.unwrap();
        cluster.broadcast("number", &1).await.unwrap();
        let mut numbers = cluster.messages::<u32>("number").unwrap();
        cluster.answer("number", async |_: Message<u32>| 1).unwrap();
        assert!(pends(numbers.next()).await);
        let called = cluster.call::<_, u32>(Peer::Watcher, "number", &1, LONG);
        assert!(matches!(called.await, Err(CallError::Standalone)));
    });
}
