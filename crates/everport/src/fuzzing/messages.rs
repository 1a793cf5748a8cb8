//! Messages: one frame at a time, and the frames of several peers as the switch judges them.

use std::collections::BTreeSet;

use crate::WorkerId;
use crate::messages::{Frame, LONGEST_FRAME, Peer, WINDOW};
use crate::watcher::{MOST_REMAINS, Switch};

/// One frame, as either end of a message socket would read it; and then all of the bytes as what the watcher and three
/// workers do, in steps of a byte that says who does what, and a frame after its length in two bytes (little-endian)
/// where one is sent.
///
/// # Panics
/// When a frame does not come back as it was, or the switch says what it must not, or keeps too much.
pub fn message(bytes: &[u8]) {
    if let Ok(frame) = Frame::decode(bytes) {
        assert_eq!(frame.encode(), bytes, "{frame:?}");
    }
    let mut exchange = Exchange::new();
    let mut rest = bytes;
    while let Some((step, after)) = rest.split_first() {
        rest = exchange.take(*step, after);
    }
}

const WORKERS: u64 = 3;

/// More memory than is taken by the switch's own answers to one peer, which are few, and by short frames that were packed with
/// others and are delivered: less than a page of each other peer's in each lane.
const SMALL_CHANGE: usize = 64 * 1024;

/// A switch, and what each peer was told of who is there.
struct Exchange {
    switch: Switch,
    attached: BTreeSet<Peer>,
    told: BTreeSet<(Peer, Peer)>,
}

impl Exchange {
    fn new() -> Self {
        let mut switch = Switch::new(1 << 20);
        for worker in 1..=WORKERS {
            switch.arrive(WorkerId(worker));
        }
        Self {
            switch,
            attached: BTreeSet::new(),
            told: BTreeSet::new(),
        }
    }

    /// Takes one step; returns the bytes after it.
    fn take<'bytes>(&mut self, step: u8, bytes: &'bytes [u8]) -> &'bytes [u8] {
        let peer = Peer::from_number(u64::from(step) % (WORKERS + 1));
        match step / 4 % 4 {
            0 => return self.send(peer, bytes),
            1 => {
                if self.switch.attach(peer) {
                    assert!(self.attached.insert(peer), "{peer} attached twice");
                }
            }
            2 => self.hear(peer),
            _ => self.end(peer),
        }
        bytes
    }

    fn send<'bytes>(&mut self, peer: Peer, bytes: &'bytes [u8]) -> &'bytes [u8] {
        let Some((length, rest)) = bytes.split_first_chunk::<2>() else {
            return &[];
        };
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (frame, rest) = rest.split_at(length);
        if self.attached.contains(&peer) && !self.switch.is_paused(peer) {
            let received = self.switch.receive(peer, frame);
            if received.is_err() {
                self.switch.part(peer);
                self.attached.remove(&peer);
            }
        }
        self.check_bounds();
        rest
    }

    /// Everything that waits for a peer.
    fn hear(&mut self, peer: Peer) {
        while let Some(frame) = self.switch.next(peer) {
            assert!(self.attached.contains(&peer), "{peer} is told something");
            let length = frame.len();
            assert!(length <= LONGEST_FRAME, "{length} bytes");
            match Frame::decode(&frame).expect("the switch sends frames") {
                Frame::Present { peer: other } => {
                    assert!(self.told.insert((peer, other)), "{other} is told of twice");
                }
                Frame::Gone { peer: other } => {
                    self.told.remove(&(peer, other));
                }
                Frame::First { peer: other, .. } | Frame::More { peer: other, .. } => {
                    let is_familiar = other == peer || other == Peer::Watcher;
                    let is_told = self.told.contains(&(peer, other));
                    assert!(
                        is_familiar || is_told,
                        "a part from {other}, who is not there"
                    );
                }
                Frame::Credit { .. } | Frame::Attached => {}
            }
        }
    }

    fn end(&mut self, peer: Peer) {
        if let Peer::Worker(worker) = peer {
            self.switch.finish(worker);
            self.attached.remove(&peer);
        }
    }

    fn check_bounds(&self) {
        let most = (WORKERS as usize + 1) * 2 * WINDOW as usize + MOST_REMAINS;
        for peer in &self.attached {
            let waiting = self.switch.waiting_for(*peer);
            assert!(waiting <= most, "{waiting} bytes for {peer}");
            let memory = self.switch.memory_for(*peer);
            assert!(
                memory <= 2 * waiting + SMALL_CHANGE,
                "{memory} for {waiting}"
            );
        }
    }
}
