//! The sockets around the switch.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::{
    SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, sendmsg, shutdown,
};
use tokio::sync::mpsc;

use super::Switchboard;
use super::socket::{FrameBuffer, MessageSocket, pair};
use crate::WorkerId;
use crate::link::LinkError;
use crate::messages::{Frame, Head, Peer, WINDOW};
use crate::watcher::input::Input;

const ANN: WorkerId = WorkerId(1);
const BOB: WorkerId = WorkerId(2);

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// The switchboard, the workers' ends of their sockets, and what the loop is told.
struct Scene {
    board: Switchboard,
    ann: MessageSocket,
    bob: MessageSocket,
    told: mpsc::Receiver<Input>,
}

impl Scene {
    /// Both are attached, and have heard of each other.
    async fn new() -> Self {
        let mut board = Switchboard::new(1 << 20);
        let (inbox, told) = mpsc::channel(8);
        board.arrive(ANN);
        board.arrive(BOB);
        let mut ends = [ANN, BOB].map(|worker| {
            let (ours, theirs) = pair().unwrap();
            board.attach(worker.into(), ours, inbox.clone()).unwrap();
            MessageSocket::new(theirs).unwrap()
        });
        for end in &mut ends {
            while !matches!(decoded(&next(end).await), Frame::Attached) {}
        }
        let [ann, bob] = ends;
        Scene {
            board,
            ann,
            bob,
            told,
        }
    }
}

/// The next frame at a worker's end.
async fn next(end: &MessageSocket) -> Vec<u8> {
    next_or_end(end).await.expect("it is closed")
}

/// The same; `None` when the watcher's end is closed.
async fn next_or_end(end: &MessageSocket) -> Option<Vec<u8>> {
    let mut buffer = FrameBuffer::default();
    loop {
        match end.try_receive(&mut buffer) {
            Ok(Some(frame)) => return Some(frame.to_vec()),
            Ok(None) => end.readable().await,
            Err(LinkError::Closed) => return None,
            Err(error) => panic!("{error}"),
        }
    }
}

fn decoded(frame: &[u8]) -> Frame<'_> {
    Frame::decode(frame).unwrap()
}

fn message(peer: WorkerId, part: &[u8]) -> Vec<u8> {
    Frame::First {
        peer: peer.into(),
        head: Head::Message { event: "e" },
        length: part.len() as u64,
        part,
    }
    .encode()
}

async fn send(end: &MessageSocket, frame: &[u8]) {
    while !end.try_send(frame).unwrap() {
        end.writable().await;
    }
}

/// What the loop is told about a worker that has lost its socket.
async fn broken(told: &mut mpsc::Receiver<Input>) -> (WorkerId, String) {
    match told.recv().await {
        Some(Input::MessagesBroken { worker, error }) => (worker, error),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn frames_go_from_socket_to_socket() {
    let scene = Scene::new().await;
    send(&scene.ann, &message(BOB, b"1")).await;
    assert_eq!(next(&scene.bob).await, message(ANN, b"1"));
    let credit = Frame::Credit {
        peer: ANN.into(),
        lane: crate::messages::Lane::Messages,
        bytes: 3,
    };
    send(&scene.bob, &credit.encode()).await;
    let told = next(&scene.ann).await;
    assert!(matches!(
        decoded(&told),
        Frame::Credit {
            peer: Peer::Worker(BOB),
            bytes: 3,
            ..
        }
    ));
}

#[tokio::test]
async fn what_a_dead_worker_left_in_its_socket_comes_before_its_end() {
    let mut scene = Scene::new().await;
    // Nobody else has a turn before the worker is buried.
    for part in [b"1", b"2", b"3"] {
        assert!(scene.ann.try_send(&message(BOB, part)).unwrap());
    }
    scene.board.finish(ANN);
    for part in [b"1", b"2", b"3"] {
        assert_eq!(next(&scene.bob).await, message(ANN, part));
    }
    let peer = ANN.into();
    assert_eq!(next(&scene.bob).await, Frame::Gone { peer }.encode());
}

#[tokio::test]
async fn the_application_gets_what_waits_for_it_at_the_end() {
    let Scene {
        mut board,
        ann,
        bob,
        ..
    } = Scene::new().await;
    let application = attach_application(&mut board).await;
    let parts = vec![vec![7; 60_000]; 4];
    // Nobody else has a turn before the watcher has ended, and more is left than one turn takes.
    for (worker, end) in [(ANN, ann), (BOB, bob)] {
        for part in &parts {
            assert!(end.try_send(&to_application(part)).unwrap());
        }
        board.finish(worker);
    }
    board.end();
    drop(board);
    let mut heard = BTreeMap::new();
    while let Some(frame) = next_or_end(&application).await {
        if let Frame::First { peer, part, .. } = decoded(&frame) {
            assert_eq!(part, parts[0]);
            *heard.entry(peer).or_insert(0) += 1;
        }
    }
    assert_eq!(heard, BTreeMap::from([(ANN.into(), 4), (BOB.into(), 4)]));
}

#[tokio::test]
async fn a_second_socket_is_refused_and_harms_not_the_first() {
    let mut scene = Scene::new().await;
    let (ours, _theirs) = pair().unwrap();
    let (inbox, _told) = mpsc::channel(8);
    let refused = scene.board.attach(ANN.into(), ours, inbox).unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
    send(&scene.bob, &message(ANN, b"1")).await;
    let heard = tokio::time::timeout(PATIENCE, next(&scene.ann)).await;
    assert_eq!(heard.expect("nobody wakes it"), message(BOB, b"1"));
}

/// The application's end, which has heard of everybody.
async fn attach_application(board: &mut Switchboard) -> MessageSocket {
    let (inbox, _told) = mpsc::channel(8);
    let (ours, theirs) = pair().unwrap();
    board.attach(Peer::Watcher, ours, inbox).unwrap();
    let end = MessageSocket::new(theirs).unwrap();
    while !matches!(decoded(&next(&end).await), Frame::Attached) {}
    end
}

fn to_application(part: &[u8]) -> Vec<u8> {
    Frame::First {
        peer: Peer::Watcher,
        head: Head::Message { event: "e" },
        length: part.len() as u64,
        part,
    }
    .encode()
}

#[tokio::test]
async fn a_worker_that_dies_without_having_read_still_has_its_say() {
    let scene = Scene::new().await;
    send(&scene.bob, &message(ANN, b"unread")).await;
    scene.ann.readable().await;
    assert!(scene.ann.try_send(&message(BOB, b"last")).unwrap());
    // The kernel tells of that as a reset connection.
    drop(scene.ann);
    assert_eq!(next(&scene.bob).await, message(ANN, b"last"));
    let peer = ANN.into();
    assert_eq!(next(&scene.bob).await, Frame::Gone { peer }.encode());
}

#[tokio::test]
async fn descriptors_are_refused_and_closed() {
    let mut scene = Scene::new().await;
    let (passed, kept) = pair().unwrap();
    pass(&scene.ann, &message(BOB, b"1"), &passed);
    drop(passed);
    let (worker, error) = broken(&mut scene.told).await;
    assert_eq!(worker, ANN);
    assert!(
        error.contains("descriptors that were not asked for"),
        "{error}"
    );
    // Its other end is closed with the copy that came along.
    let end = MessageSocket::new(kept).unwrap();
    let mut buffer = FrameBuffer::default();
    loop {
        match end.try_receive(&mut buffer) {
            Ok(None) => end.readable().await,
            Ok(Some(frame)) => panic!("{frame:?}"),
            Err(_) => break,
        }
    }
    let peer = ANN.into();
    assert_eq!(next(&scene.bob).await, Frame::Gone { peer }.encode());
}

#[tokio::test]
async fn a_worker_that_hears_no_answers_leaves_none_of_them() {
    let mut scene = Scene::new().await;
    shutdown(scene.ann.as_fd(), Shutdown::Read).unwrap();
    let nobody = |number: u64| message(WorkerId(1_000 + number), b"1");
    for number in 0..2_000 {
        send(&scene.ann, &nobody(number)).await;
    }
    // What it says to others still counts, and comes after that.
    send(&scene.ann, &message(BOB, b"1")).await;
    assert_eq!(next(&scene.bob).await, message(ANN, b"1"));
    tokio::task::yield_now().await;
    let left = scene.board.left_for(ANN.into());
    assert!(left < 100, "{left} answers wait for one who hears nothing");
    scene.told.try_recv().expect_err("it has broken no rule");
}

fn pass(end: &MessageSocket, frame: &[u8], descriptor: &OwnedFd) {
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [descriptor.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let frame = [std::io::IoSlice::new(frame)];
    sendmsg(end.as_fd(), &frame, &mut control, SendFlags::NOSIGNAL).unwrap();
}

#[tokio::test]
async fn what_waits_for_a_worker_that_reads_nothing_is_one_window_for_each_sender() {
    let mut scene = Scene::new().await;
    // Bob reads nothing, and Ann overdraws.
    let part = vec![0; 60_000];
    for _ in 0..=WINDOW as usize / part.len() {
        send(&scene.ann, &message(BOB, &part)).await;
    }
    let (worker, error) = broken(&mut scene.told).await;
    assert_eq!(worker, ANN);
    assert!(
        error.contains("more to worker 2 than its window allows"),
        "{error}"
    );
    for _ in 0..WINDOW as usize / part.len() {
        assert_eq!(next(&scene.bob).await, message(ANN, &part));
    }
    let peer = ANN.into();
    assert_eq!(next(&scene.bob).await, Frame::Gone { peer }.encode());
}
