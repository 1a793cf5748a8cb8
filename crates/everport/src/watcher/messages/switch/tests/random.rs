//! Many peers, some of them hostile, that come and die at any moment, from a seed.

use std::collections::BTreeMap;

use super::super::{MOST_REMAINS, Switch};
use super::endpoint::{Endpoint, HOSTILE};
use crate::WorkerId;
use crate::messages::{Frame, Lane, Peer, WINDOW};
use crate::random::Random;

const SEEDS: u64 = 300;
const STEPS: u64 = 1_500;

/// A switch and those around it.
struct World {
    random: Random,
    switch: Switch,
    endpoints: BTreeMap<Peer, Endpoint>,
    /// Those that do not keep the rules, and read nothing either.
    hostile: BTreeMap<Peer, Vec<Vec<u8>>>,
    /// Workers that live and use no messages.
    deaf: Vec<Peer>,
    /// Everybody who lives, and has not been cut off.
    reachable: Vec<Peer>,
    next_worker: u64,
}

#[test]
fn everybody_who_keeps_the_rules_gets_everything_in_order_and_all_credit_back() {
    for seed in 0..SEEDS {
        println!("seed {seed}");
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step();
            world.check_bounds();
        }
        world.come_to_rest();
        world.check_rest();
    }
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            random: Random(seed),
            switch: Switch::new(1 << 20),
            endpoints: BTreeMap::new(),
            hostile: BTreeMap::new(),
            deaf: Vec::new(),
            reachable: vec![Peer::Watcher],
            next_worker: 1,
        };
        world.arrive();
        world
    }

    fn step(&mut self) {
        match self.random.below(100) {
            0 => self.arrive(),
            1..=3 => self.attach(),
            4 => self.kill(),
            5..=9 => self.misbehave(),
            10..=54 => self.send(),
            55..=64 => self.credit(),
            65..=79 => self.read(),
            80..=89 => self.pass_one(),
            _ => self.emit_one(),
        }
    }

    fn arrive(&mut self) {
        if self.reachable.len() > 8 {
            return;
        }
        let worker = WorkerId(self.next_worker);
        self.next_worker += 1;
        if self.switch.arrive(worker) {
            let application = self.endpoints.get_mut(&Peer::Watcher);
            application.expect("attached").welcome(worker.into());
        }
        self.deaf.push(worker.into());
        self.reachable.push(worker.into());
    }

    fn attach(&mut self) {
        let Some(peer) = pick(&mut self.random, &self.deaf) else {
            return;
        };
        self.deaf.retain(|it| *it != peer);
        assert!(self.switch.attach(peer));
        assert!(!self.switch.attach(peer), "a second time");
        if self.random.below(4) == 0 {
            self.hostile.insert(peer, Vec::new());
        } else {
            self.endpoints.insert(peer, Endpoint::new(peer));
        }
    }

    fn kill(&mut self) {
        let Some(peer @ Peer::Worker(worker)) = pick(&mut self.random, &self.reachable) else {
            return;
        };
        if let Some(mut dead) = self.endpoints.remove(&peer) {
            for frame in dead.sent.drain(..) {
                self.switch
                    .receive(peer, &frame)
                    .expect("it keeps the rules");
            }
        }
        if self.random.below(2) == 0 {
            // Its end of the socket was closed before it was dead.
            self.switch.part(peer);
        }
        self.switch.finish(worker);
        self.hostile.remove(&peer);
        self.deaf.retain(|it| *it != peer);
        self.reachable.retain(|it| *it != peer);
    }

    fn send(&mut self) {
        let Some(from) = self.pick_endpoint() else {
            return;
        };
        let to = match self.random.below(20) {
            0 => from,
            1 => Peer::Worker(WorkerId(self.next_worker + 1_000_000)),
            2 => Peer::Worker(WorkerId(1 + self.random.below(self.next_worker - 1))),
            _ => pick(&mut self.random, &self.reachable).unwrap_or(Peer::Watcher),
        };
        let lane = self.lane();
        let Self {
            endpoints, random, ..
        } = self;
        if let Some(endpoint) = endpoints.get_mut(&from) {
            endpoint.send(to, lane, random);
        }
    }

    fn credit(&mut self) {
        let (by, lane) = (self.pick_endpoint(), self.lane());
        let bytes = 1 + self.random.below(200_000) as u32;
        let Some(endpoint) = by.and_then(|by| self.endpoints.get_mut(&by)) else {
            return;
        };
        let mut froms: Vec<Peer> = endpoint.incoming.keys().map(|(peer, _)| *peer).collect();
        froms.sort();
        if let Some(from) = pick(&mut self.random, &froms) {
            endpoint.credit(from, lane, bytes);
        }
    }

    fn read(&mut self) {
        let reader = self.pick_endpoint();
        if let Some(endpoint) = reader.and_then(|it| self.endpoints.get_mut(&it)) {
            endpoint.read();
        }
    }

    /// Hands one frame of somebody's to the switch.
    fn pass_one(&mut self) {
        let Some(peer) = self.pick_endpoint() else {
            return;
        };
        self.pass(peer);
    }

    fn pass(&mut self, peer: Peer) -> bool {
        if self.switch.is_paused(peer) {
            return false;
        }
        let endpoint = self.endpoints.get_mut(&peer);
        let Some(frame) = endpoint.and_then(|it| it.sent.pop_front()) else {
            return false;
        };
        self.switch
            .receive(peer, &frame)
            .expect("it keeps the rules");
        true
    }

    fn emit_one(&mut self) {
        if let Some(peer) = self.pick_endpoint() {
            self.emit(peer);
        }
    }

    fn emit(&mut self, peer: Peer) -> bool {
        let frame = self.switch.next(peer);
        let endpoint = self.endpoints.get_mut(&peer);
        match (frame, endpoint) {
            (Some(frame), Some(endpoint)) => {
                endpoint.to_read.push_back(frame);
                true
            }
            _ => false,
        }
    }

    /// Somebody sends what it may not, or not so much of.
    fn misbehave(&mut self) {
        let mut hostile: Vec<Peer> = self.hostile.keys().copied().collect();
        hostile.sort();
        let Some(peer) = pick(&mut self.random, &hostile) else {
            return;
        };
        let to = pick(&mut self.random, &self.reachable).unwrap_or(Peer::Watcher);
        let frame = self.bad_frame(to);
        let mut is_cut = false;
        for _ in 0..1 + self.random.below(30) {
            if !self.switch.is_paused(peer) && self.switch.receive(peer, &frame).is_err() {
                is_cut = true;
                break;
            }
        }
        if is_cut {
            self.switch.part(peer);
            self.hostile.remove(&peer);
            self.reachable.retain(|it| *it != peer);
            if let (Peer::Worker(worker), 0) = (peer, self.random.below(2)) {
                self.switch.finish(worker);
            }
        }
    }

    fn bad_frame(&mut self, to: Peer) -> Vec<u8> {
        let lane = self.lane();
        let bytes = self.random.below(1 << 20) as u32 + 1;
        match self.random.below(7) {
            0 => Frame::Credit {
                peer: to,
                lane,
                bytes,
            }
            .encode(),
            1 => Frame::Gone { peer: to }.encode(),
            2 => vec![7; self.random.below(100) as usize],
            3 => Frame::More {
                peer: to,
                lane,
                part: &[1; 100],
            }
            .encode(),
            // Over and over, until the window is overdrawn.
            4 => whole(to, 60_000),
            5 => whole(Peer::Worker(WorkerId(self.random.next())), 1),
            _ => whole(to, 10),
        }
    }

    /// No more faults and no more messages: everybody does what is left to do.
    fn come_to_rest(&mut self) {
        let mut rounds = 0;
        loop {
            let mut is_busy = false;
            let peers: Vec<Peer> = self.endpoints.keys().copied().collect();
            for peer in peers {
                while self.pass(peer) || self.emit(peer) {
                    is_busy = true;
                }
                let endpoint = self.endpoints.get_mut(&peer).unwrap();
                while endpoint.read() {
                    is_busy = true;
                }
                let uncredited: Vec<_> = endpoint.incoming.keys().copied().collect();
                for (from, lane) in uncredited {
                    endpoint.credit(from, lane, u32::MAX);
                }
                // Messages that were begun are ended.
                let begun: Vec<_> = endpoint.begun();
                for (to, lane) in begun {
                    endpoint.send(to, lane, &mut self.random);
                    is_busy |= !endpoint.sent.is_empty();
                }
            }
            rounds += 1;
            assert!(rounds < 10_000, "it does not come to rest");
            if !is_busy {
                return;
            }
        }
    }

    fn check_rest(&self) {
        for (peer, endpoint) in &self.endpoints {
            assert!(endpoint.is_attached, "{peer} has not been told so");
            let mut expected = self.reachable.clone();
            expected.retain(|it| it != peer && *it != Peer::Watcher);
            let mut present: Vec<Peer> = endpoint.present().iter().copied().collect();
            expected.sort();
            present.sort();
            assert_eq!(present, expected, "who {peer} believes to be there");
            for ((to, lane), outgoing) in &endpoint.outgoing {
                if !self.hostile.contains_key(to) {
                    assert_eq!(outgoing.window, WINDOW, "from {peer} to {to}");
                }
                let heard = self.endpoints.get(to);
                let Some(incoming) = heard.and_then(|it| it.incoming.get(&(*peer, *lane))) else {
                    continue;
                };
                let last = incoming.last.map_or(0, |last| last + 1);
                assert_eq!(last, outgoing.whole(), "the last one from {peer} to {to}");
            }
        }
    }

    fn check_bounds(&self) {
        let most = self.reachable.len() * 2 * WINDOW as usize + MOST_REMAINS;
        for peer in self.endpoints.keys().chain(self.hostile.keys()) {
            assert!(self.switch.waiting_for(*peer) <= most, "for {peer}");
        }
    }

    fn pick_endpoint(&mut self) -> Option<Peer> {
        let mut peers: Vec<Peer> = self.endpoints.keys().copied().collect();
        peers.sort();
        pick(&mut self.random, &peers)
    }

    fn lane(&mut self) -> Lane {
        Lane::ALL[self.random.below(2) as usize]
    }
}

fn whole(peer: Peer, length: usize) -> Vec<u8> {
    let part = vec![0; length];
    Frame::First {
        peer,
        head: crate::messages::Head::Message { event: HOSTILE },
        length: length as u64,
        part: &part,
    }
    .encode()
}

fn pick(random: &mut Random, among: &[Peer]) -> Option<Peer> {
    let count = among.len() as u64;
    (count > 0).then(|| among[random.below(count) as usize])
}
