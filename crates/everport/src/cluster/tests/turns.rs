//! Fair turns at a socket that all workers share, which an epoll with `EPOLLEXCLUSIVE` gives.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Waker};

use rustix::event::epoll;

use super::harness::{Shared, Woken, listening, on_both_runtimes, pends, within};
use crate::Sharing;
use crate::link::FromWatcher;
use crate::listener::{Connections, Transfer};

const WORKERS: usize = 4;
const CONNECTIONS: usize = 200;
/// Several, so that a worker always wants one more and must give up its turn by itself.
const ACCEPTS: usize = 3;

#[test]
fn workers_take_turns_at_a_shared_socket() {
    on_both_runtimes(async || {
        let shared = Shared::bind();
        let (sender, mut taken) = tokio::sync::mpsc::channel(CONNECTIONS);
        let mut workers = Vec::new();
        for worker in 0..WORKERS {
            let socket = OwnedFd::from(shared.listener.try_clone().unwrap());
            let transfer = Transfer::start(socket, Arc::new(Connections::new())).unwrap();
            let transfer = Arc::new(transfer);
            workers.push(Arc::clone(&transfer));
            for _ in 0..ACCEPTS {
                let (transfer, sender) = (Arc::clone(&transfer), sender.clone());
                tokio::spawn(async move {
                    while let Ok(arrived) = transfer.accept().await {
                        drop(arrived);
                        if sender.send(worker).await.is_err() {
                            return;
                        }
                    }
                });
            }
        }
        let mut counts = [0; WORKERS];
        for _ in 0..CONNECTIONS {
            // All of this takes less time than a busy system may let a thread wait, which would miss most of its turns.
            while !workers.iter().all(|transfer| transfer.is_in_line()) {
                tokio::task::yield_now().await;
            }
            let _client = shared.connect().await;
            counts[within(taken.recv()).await.unwrap()] += 1;
        }
        // Without turns one worker would take nearly all of them, and the last two none. A thread that the system lets
        // wait just before it is really in line misses its turn.
        let fair = CONNECTIONS / WORKERS;
        assert!(
            counts
                .iter()
                .all(|count| (fair / 5..=fair * 2).contains(count)),
            "{counts:?}"
        );
    });
}

#[test]
fn what_is_abandoned_uses_no_turn_that_it_has_and_ends_whoever_waits() {
    on_both_runtimes(async || {
        let shared = Shared::bind();
        let start = || {
            let socket = OwnedFd::from(shared.listener.try_clone().unwrap());
            Transfer::start(socket, Arc::new(Connections::new())).unwrap()
        };
        let abandoned = start();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut accept = Box::pin(abandoned.accept());
        let mut poll = || accept.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll().is_pending());
        let client = shared.connect().await;
        // It has the turn now, and has not been polled again yet.
        within(woken.0.notified()).await;
        abandoned.abandon();
        assert!(poll().is_pending());
        within(async {
            while !abandoned.is_stopped() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let arrived = within(start().accept()).await.unwrap();
        let peer = arrived.peer.map(|peer| SocketAddr::try_from(peer).unwrap());
        assert_eq!(peer, Some(client.local_addr().unwrap()));
    });
}

/// Stands for another worker: it is woken for a connection and never accepts it. Returns once it waits.
fn start_worker_that_wastes_a_wake_up(socket: &Shared) -> std::thread::JoinHandle<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
    let flags = epoll::EventFlags::IN | epoll::EventFlags::EXCLUSIVE;
    let data = epoll::EventData::new_u64(0);
    epoll::add(&epoll, &socket.listener, data, flags).unwrap();
    let (sender, thread_id) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        sender.send(rustix::thread::gettid()).unwrap();
        let mut events = Vec::with_capacity(1);
        epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), None).unwrap();
    });
    let thread_id = thread_id.recv().unwrap().as_raw_nonzero();
    let status = format!("/proc/self/task/{thread_id}/status");
    while !std::fs::read_to_string(&status)
        .unwrap()
        .contains("S (sleeping)")
    {
        std::thread::yield_now();
    }
    thread
}

#[test]
fn a_look_finds_a_connection_whose_wake_up_was_wasted() {
    on_both_runtimes(async || {
        let (_cluster, watcher, listener, socket) = listening(Sharing::Transfer).await;
        let stopped = start_worker_that_wastes_a_wake_up(&socket);
        let mut accept = Box::pin(listener.accept());
        assert!(pends(&mut accept).await);
        let client = socket.connect().await;
        stopped.join().unwrap();
        assert!(pends(&mut accept).await, "the wake-up was not wasted");
        watcher.send(&FromWatcher::Look);
        let (_server, peer) = within(accept).await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}
