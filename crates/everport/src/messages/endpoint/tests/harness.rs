//! A switch in a few lines: it passes frames on, and checks each that a worker's endpoint may send it now.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use everport_core::WorkerId;
use tokio::net::UnixDatagram;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

pub(super) use crate::cluster::tests::harness::{on_both_runtimes, pends, within};
use crate::link::pair;
use crate::messages::endpoint::{Closed, Endpoint};
use crate::messages::{Frame, LONGEST_FRAME, Lane, Peer, Progress, WINDOW, readdress};

/// The limit of messages unless a test wants another one.
pub(super) const LIMIT: u32 = 4 * 1024 * 1024;

/// What must not be reached in a test that does not fail.
pub(super) const LONG: Duration = Duration::from_secs(60);

pub(super) const WATCHER: Peer = Peer::Watcher;

pub(super) fn worker(id: u64) -> Peer {
    Peer::Worker(WorkerId(id))
}

/// Passes frames on between the endpoints that are attached to it.
#[derive(Clone, Default)]
pub(super) struct Switch {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    attached: BTreeMap<Peer, Attached>,
    /// What goes through one lane from one peer to another.
    lanes: HashMap<(Peer, Peer, Lane), Flow>,
    /// How many frames of each kind have passed: messages, credits.
    passed: (u64, u64),
}

struct Attached {
    /// Frames on their way to it; bounded by the windows.
    queue: mpsc::UnboundedSender<Vec<u8>>,
    reading: JoinHandle<()>,
}

#[derive(Default)]
struct Flow {
    progress: Progress,
    outstanding: u32,
}

impl Switch {
    /// Attaches a new endpoint.
    pub(super) fn attach(&self, peer: Peer) -> Endpoint {
        let endpoint = unopened(peer);
        endpoint.request_socket();
        endpoint.open(self.socket(peer), LIMIT);
        endpoint
    }

    /// Attaches whoever has the other end of this socket.
    pub(super) fn socket(&self, peer: Peer) -> OwnedFd {
        let (ours, theirs) = pair().unwrap();
        let socket = Arc::new(UnixDatagram::from_std(ours.into()).unwrap());
        let (queue, queued) = mpsc::unbounded_channel();
        tokio::spawn(write(Arc::clone(&socket), queued));
        let reading = tokio::spawn(self.clone().read(peer, socket));
        let mut inner = self.inner.lock().unwrap();
        for (other, attached) in &inner.attached {
            if *other != WATCHER {
                queue
                    .send(Frame::Present { peer: *other }.encode())
                    .unwrap();
            }
            if peer != WATCHER {
                attached.queue.send(Frame::Present { peer }.encode()).ok();
            }
        }
        queue.send(Frame::Attached.encode()).unwrap();
        inner.attached.insert(peer, Attached { queue, reading });
        theirs
    }

    /// The peer dies: what it has sent is still passed on.
    pub(super) async fn kill(&self, peer: Peer) {
        let removed = self.inner.lock().unwrap().attached.remove(&peer);
        let Attached { queue, reading } = removed.unwrap();
        drop(queue); // ends who writes, who hangs up
        within(reading).await.unwrap();
        let mut inner = self.inner.lock().unwrap();
        inner
            .lanes
            .retain(|(from, to, _), _| *from != peer && *to != peer);
        for other in inner.attached.values() {
            other.queue.send(Frame::Gone { peer }.encode()).ok();
        }
    }

    /// How many frames with messages, and how many with credits have passed.
    pub(super) fn passed(&self) -> (u64, u64) {
        self.inner.lock().unwrap().passed
    }

    /// How many bytes are on their way from one to another.
    pub(super) fn outstanding(&self, from: Peer, to: Peer, lane: Lane) -> u32 {
        let inner = self.inner.lock().unwrap();
        let flow = inner.lanes.get(&(from, to, lane));
        flow.map_or(0, |flow| flow.outstanding)
    }

    /// Sends a frame to a peer, whatever it is.
    pub(super) fn say(&self, to: Peer, frame: &[u8]) {
        let inner = self.inner.lock().unwrap();
        // One that has closed its socket, for what was said before, hears nothing.
        inner.attached[&to].queue.send(frame.to_vec()).ok();
    }

    async fn read(self, origin: Peer, socket: Arc<UnixDatagram>) {
        let mut buffer = vec![0; LONGEST_FRAME + 1];
        loop {
            match socket.recv(&mut buffer).await {
                Ok(length) if length > 0 => self.pass(origin, &mut buffer[..length]),
                _ => return,
            }
        }
    }

    fn pass(&self, origin: Peer, frame: &mut [u8]) {
        let mut inner = self.inner.lock().unwrap();
        let decoded = Frame::decode(frame).unwrap();
        let (Frame::First { peer: to, .. }
        | Frame::More { peer: to, .. }
        | Frame::Credit { peer: to, .. }) = decoded
        else {
            panic!("an endpoint said {decoded:?}");
        };
        if !inner.attached.contains_key(&to) {
            if let Some(attached) = inner.attached.get(&origin) {
                attached.queue.send(Frame::Gone { peer: to }.encode()).ok();
            }
            return;
        }
        match decoded {
            Frame::First {
                head, length, part, ..
            } => {
                let flow = inner.flow(origin, to, head.lane(), frame.len());
                flow.progress.begin(length, part.len()).unwrap();
            }
            Frame::More { lane, part, .. } => {
                let flow = inner.flow(origin, to, lane, frame.len());
                flow.progress.go_on(part.len()).unwrap();
            }
            Frame::Credit { lane, bytes, .. } => inner.credit(origin, to, lane, bytes),
            _ => {}
        }
        readdress(frame, origin);
        inner.attached[&to].queue.send(frame.to_vec()).ok();
    }
}

impl Inner {
    /// Takes a frame into account, which has to fit into its window.
    fn flow(&mut self, from: Peer, to: Peer, lane: Lane, frame: usize) -> &mut Flow {
        self.passed.0 += 1;
        let flow = self.lanes.entry((from, to, lane)).or_default();
        flow.outstanding += frame as u32;
        assert!(flow.outstanding <= WINDOW, "{from} overdraws with {to}");
        flow
    }

    fn credit(&mut self, from: Peer, to: Peer, lane: Lane, bytes: u32) {
        self.passed.1 += 1;
        if let Some(flow) = self.lanes.get_mut(&(to, from, lane)) {
            let left = flow.outstanding.checked_sub(bytes);
            flow.outstanding = left.expect("more credit than was taken");
        }
    }
}

async fn write(socket: Arc<UnixDatagram>, mut queued: mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(frame) = queued.recv().await {
        if socket.send(&frame).await.is_err() {
            return;
        }
    }
    // Whoever reads at the other end sees the end, and so does who reads here, after what was sent.
    socket.shutdown(std::net::Shutdown::Both).unwrap();
}

/// An endpoint that nobody has given a socket.
pub(super) fn unopened(peer: Peer) -> Endpoint {
    Endpoint::new(peer, Handle::current(), Box::new(|| Ok(())))
}

/// An endpoint that can never be opened.
pub(super) fn unopenable(why: Closed) -> Endpoint {
    Endpoint::new(worker(1), Handle::current(), Box::new(|| Err(why)))
}

/// A switch with the watcher and two workers attached to it.
pub(super) fn three() -> (Switch, Endpoint, Endpoint, Endpoint) {
    let switch = Switch::default();
    let watcher = switch.attach(WATCHER);
    let one = switch.attach(worker(1));
    let two = switch.attach(worker(2));
    (switch, watcher, one, two)
}

/// Sends to somebody who takes nothing until nothing more fits into the window, to its last byte.
pub(super) async fn use_up(endpoint: &Endpoint, to: Peer) {
    const HEAD: usize = 2 + 8 + 1 + 1 + 1 + "text".len() + 8;
    let text = "x".repeat(WINDOW as usize / 4 - HEAD - "\"\"".len());
    for _ in 0..4 {
        within(endpoint.send(to, "text", &text)).await.unwrap();
    }
}

/// Waits until an endpoint knows that the peer is there.
pub(super) async fn knows(endpoint: &Endpoint, peer: Peer) {
    until(|| endpoint.shared.change(|state, _| state.is_there(peer))).await;
}

/// Waits until something is so.
pub(super) async fn until(mut is_so: impl FnMut() -> bool) {
    within(async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
