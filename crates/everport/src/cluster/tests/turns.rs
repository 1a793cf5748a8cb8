//! Fair turns at a socket that all workers share, which an epoll with `EPOLLEXCLUSIVE` gives.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use rustix::event::epoll;

use super::harness::{BOUND, Shared, listening, on_both_runtimes, pends, within};
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
        for worker in 0..WORKERS {
            let socket = OwnedFd::from(shared.listener.try_clone().unwrap());
            let transfer = Transfer::start(socket, Arc::new(Connections::new())).unwrap();
            let transfer = Arc::new(transfer);
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
        // Without turns one worker would take nearly all of them, and the last two none, whenever one looks. With
        // turns a thread may miss a whole round: on a busy machine it waits for a processor for longer than that takes.
        let fair = CONNECTIONS / WORKERS;
        let is_fair = |count: &usize| (fair / 5..=fair * 2).contains(count);
        let begin = Instant::now();
        loop {
            let mut counts = [0; WORKERS];
            for _ in 0..CONNECTIONS {
                let _client = shared.connect().await;
                counts[within(taken.recv()).await.unwrap()] += 1;
            }
            if counts.iter().all(is_fair) {
                return;
            }
            assert!(begin.elapsed() < BOUND / 2, "{counts:?}");
        }
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
