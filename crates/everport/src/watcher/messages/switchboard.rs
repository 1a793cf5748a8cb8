//! Everybody's message sockets, and the switch between them.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::super::input::Input;
use super::line::Line;
use super::socket::{BUFFER, FrameBuffer, MessageSocket};
use super::switch::Switch;
use crate::WorkerId;
use crate::messages::Peer;

/// How many bytes that a dead worker has sent are still read. More do not fit into its socket, unless a child of its goes on
/// sending: then the loop, which does nothing else meanwhile, is not kept by that.
const LEGACY: usize = 4 * BUFFER;

/// The same in frames.
const LEGACY_FRAMES: usize = 4096;

/// Passes messages on. Dropped, it closes every socket, but for the application's after an orderly [end](Self::end).
#[derive(Debug)]
pub(crate) struct Switchboard {
    exchange: Arc<Exchange>,
    attached: HashMap<Peer, Attached>,
    limit: u32,
}

/// A peer's socket, and the task that attends to it. The socket is the task's, and closes with it.
#[derive(Debug)]
struct Attached {
    socket: Weak<MessageSocket>,
    task: JoinHandle<()>,
}

/// The switch, shared by the tasks of all sockets.
#[derive(Debug)]
pub(super) struct Exchange(Mutex<State>);

/// What is changed under one lock, which is held for a turn of one task at most.
#[derive(Debug)]
pub(super) struct State {
    pub(super) switch: Switch,
    pub(super) buffer: FrameBuffer,
    /// Whether all workers have ended for good: what waits for the application is the last of all.
    pub(super) is_over: bool,
    bells: HashMap<Peer, Arc<Notify>>,
}

impl Switchboard {
    /// One that lets messages pass up to so many bytes.
    pub(crate) fn new(limit: u32) -> Self {
        let state = State {
            switch: Switch::new(u64::from(limit)),
            buffer: FrameBuffer::default(),
            is_over: false,
            bells: HashMap::new(),
        };
        Self {
            exchange: Arc::new(Exchange(Mutex::new(state))),
            attached: HashMap::new(),
            limit,
        }
    }

    /// How many bytes a message may have.
    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// A worker has begun to live. Whether the application's endpoint is to be told so directly.
    pub(crate) fn arrive(&self, worker: WorkerId) -> bool {
        self.exchange.change(|state| state.switch.arrive(worker))
    }

    /// Takes over our end of a peer's socket. Needs a tokio runtime. A worker that breaks the rules is told of in
    /// the inbox.
    pub(crate) fn attach(
        &mut self,
        peer: Peer,
        socket: OwnedFd,
        inbox: mpsc::Sender<Input>,
    ) -> io::Result<()> {
        let socket = Arc::new(MessageSocket::new(socket)?);
        let bell = Arc::new(Notify::new());
        let is_first = self.exchange.change(|state| {
            let is_first = state.switch.attach(peer);
            if is_first {
                state.bells.insert(peer, Arc::clone(&bell));
            }
            is_first
        });
        if !is_first {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let weak = Arc::downgrade(&socket);
        let line = Line {
            peer,
            socket,
            bell,
            exchange: Arc::clone(&self.exchange),
        };
        let task = tokio::spawn(line.attend(inbox));
        self.attached.insert(peer, Attached { socket: weak, task });
        Ok(())
    }

    /// A worker is dead: what it had sent is still passed on, and then everybody is told that it is gone.
    pub(crate) fn finish(&mut self, worker: WorkerId) {
        let peer = Peer::Worker(worker);
        let attached = self.attached.remove(&peer);
        let socket = attached.and_then(|it| {
            it.task.abort();
            it.socket.upgrade()
        });
        self.exchange.change(|state| {
            if let Some(socket) = socket {
                state.hear_last(peer, &socket);
            }
            state.switch.finish(worker);
            state.bells.remove(&peer);
        });
    }

    /// With how many others a peer has something in common.
    #[cfg(test)]
    pub(super) fn left_for(&self, peer: Peer) -> usize {
        self.exchange.change(|state| state.switch.passages_of(peer))
    }

    /// All workers have ended, and none will come. The application is still told everything that waits for it, however
    /// long that takes and also when this is dropped; then its socket is closed.
    pub(crate) fn end(&mut self) {
        // Its task goes on by itself, without anybody who could abort it.
        drop(self.attached.remove(&Peer::Watcher));
        self.exchange.change(|state| {
            state.is_over = true;
            let bell = state.bells.get(&Peer::Watcher);
            bell.inspect(|bell| bell.notify_one());
        });
    }
}

impl Drop for Switchboard {
    fn drop(&mut self) {
        for attached in self.attached.values() {
            attached.task.abort();
        }
    }
}

impl Exchange {
    /// Changes something, and wakes those for whom there is something after that.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        // A panic while the lock was held would be a defect of ours; nobody else's messages should end with it.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let result = change(&mut state);
        for peer in state.switch.take_woken() {
            state.bells.get(&peer).inspect(|bell| bell.notify_one());
        }
        result
    }
}

impl State {
    fn hear_last(&mut self, peer: Peer, socket: &MessageSocket) {
        let mut bytes = 0;
        for _ in 0..LEGACY_FRAMES {
            let Ok(Some(frame)) = socket.try_receive_last(&mut self.buffer) else {
                return;
            };
            bytes += frame.len();
            if self.switch.receive(peer, frame).is_err() || bytes >= LEGACY {
                return;
            }
        }
    }
}
