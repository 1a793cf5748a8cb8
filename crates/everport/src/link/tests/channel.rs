//! Frames through a real socket, and what a stranger may send instead.

use std::io::{IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use everport_core::{PortId, SlotId};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::link::wire::MAX_FRAME;
use crate::link::{
    DecodeError, Drained, FromWatcher, FromWorker, LinkError, WatcherEnd, WorkerEnd, pair,
};

const BOUND: Duration = Duration::from_secs(10);

fn ends() -> (WatcherEnd, OwnedFd) {
    let (watcher, worker) = pair().unwrap();
    (WatcherEnd::new(watcher).unwrap(), worker)
}

async fn receive(end: &WatcherEnd) -> Result<FromWorker, LinkError> {
    tokio::time::timeout(BOUND, end.receive())
        .await
        .expect("nothing arrived")
}

fn send_raw(worker: &OwnedFd, bytes: &[u8]) {
    rustix::net::send(worker, bytes, SendFlags::NOSIGNAL).unwrap();
}

#[tokio::test]
async fn frames_arrive_in_order_and_the_end_is_seen() {
    let (watcher, worker) = ends();
    let worker = WorkerEnd::new(worker);
    worker.send(&FromWorker::Ready).unwrap();
    worker
        .send(&FromWorker::Left(Drained {
            cut: 7,
            ..Drained::default()
        }))
        .unwrap();
    drop(worker);
    assert_eq!(receive(&watcher).await.unwrap(), FromWorker::Ready);
    assert_eq!(
        receive(&watcher).await.unwrap(),
        FromWorker::Left(Drained {
            cut: 7,
            ..Drained::default()
        })
    );
    assert!(matches!(receive(&watcher).await, Err(LinkError::Closed)));
    assert!(matches!(
        watcher.send(&FromWatcher::Look, &[]),
        Err(LinkError::Closed)
    ));
}

#[tokio::test]
async fn a_descriptor_travels_to_the_worker_and_works_there() {
    let (watcher, worker) = ends();
    let worker = WorkerEnd::new(worker);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let lend = FromWatcher::Lend {
        port: PortId(1),
        slot: SlotId(2),
    };
    watcher.send(&lend, &[writer.as_fd()]).unwrap();
    drop(writer);
    assert!(worker.wait(Some(BOUND)).unwrap());
    let (frame, mut fds) = worker.try_receive().unwrap().unwrap();
    assert_eq!((frame, fds.len()), (lend, 1));
    let fd = fds.remove(0);
    assert!(
        rustix::io::fcntl_getfd(&fd)
            .unwrap()
            .contains(rustix::io::FdFlags::CLOEXEC)
    );
    std::fs::File::from(fd).write_all(b"through").unwrap();
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "through");
}

#[tokio::test]
async fn an_empty_message_is_a_violation_and_no_end() {
    let (watcher, worker) = ends();
    send_raw(&worker, b"");
    let error = receive(&watcher).await.unwrap_err();
    assert!(
        matches!(error, LinkError::Violation(DecodeError::Empty)),
        "{error}"
    );
}

#[tokio::test]
async fn an_oversized_message_is_a_violation() {
    let (watcher, worker) = ends();
    send_raw(&worker, &[1; MAX_FRAME + 1]);
    let error = receive(&watcher).await.unwrap_err();
    assert!(
        matches!(error, LinkError::Violation(DecodeError::Oversized(_))),
        "{error}"
    );
}

#[tokio::test]
async fn descriptors_of_a_worker_are_refused_and_closed() {
    let (watcher, worker) = ends();
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let fds = [writer.as_fd()];
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let ready = FromWorker::Ready.encode().unwrap();
    sendmsg(
        &worker,
        &[IoSlice::new(&ready)],
        &mut control,
        SendFlags::NOSIGNAL,
    )
    .unwrap();
    drop(writer);
    let error = receive(&watcher).await.unwrap_err();
    assert!(
        matches!(
            error,
            LinkError::Violation(DecodeError::UnwantedDescriptors)
        ),
        "{error}"
    );
    // End-of-file: nobody holds the other end of the pipe any more.
    assert_eq!(reader.read(&mut [0]).unwrap(), 0);
}

#[tokio::test]
async fn a_worker_that_does_not_read_fills_its_link_and_blocks_nobody() {
    let (watcher, _worker) = ends();
    let full = (0..1_000_000)
        .map(|_| watcher.send(&FromWatcher::Look, &[]))
        .find_map(Result::err);
    assert!(matches!(full, Some(LinkError::Full)), "{full:?}");
}

#[tokio::test]
async fn kinds_of_a_newer_watcher_are_skipped() {
    let (watcher, worker) = pair().unwrap();
    let worker = WorkerEnd::new(worker);
    send_raw(&watcher, &[0xff, 0xff, 1, 2, 3]);
    assert!(worker.try_receive().unwrap().is_none());
    send_raw(&watcher, &[0xff, 0xff]);
    send_raw(&watcher, &[0x08, 0x01, 9]);
    assert_eq!(worker.try_receive().unwrap().unwrap().0, FromWatcher::Look);
}
