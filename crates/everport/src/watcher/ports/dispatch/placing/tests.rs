//! Who gets how many connections: exactly, and through everything that may happen to workers.

use std::collections::BTreeMap;

use super::*;

/// The workers as the watcher sees them, and what each of them has really done.
struct Fixture {
    placing: Placing,
    placement: Placement,
    workers: BTreeMap<WorkerId, Truth>,
    seed: u64,
    last_worker: u64,
}

/// What one worker has done, which the watcher knows only as far as it was told.
#[derive(Debug, Default)]
struct Truth {
    slot: u32,
    serves: bool,
    waiting: u64,
    taken: u64,
    ended: u64,
    /// How many connections were ever placed there.
    given: u64,
}

impl Fixture {
    fn new(placement: Placement, slots: u32) -> Self {
        let mut fixture = Self {
            placing: Placing::new(placement),
            placement,
            workers: BTreeMap::new(),
            seed: 1,
            last_worker: 0,
        };
        for slot in 0..slots {
            let worker = fixture.join(slot);
            fixture.truth(worker).serves = true;
        }
        fixture.serve();
        fixture
    }

    fn join(&mut self, slot: u32) -> WorkerId {
        self.last_worker += 1;
        let worker = WorkerId(self.last_worker);
        self.placing.join(worker, SlotId(slot));
        let truth = Truth {
            slot,
            ..Truth::default()
        };
        self.workers.insert(worker, truth);
        worker
    }

    fn truth(&mut self, worker: WorkerId) -> &mut Truth {
        self.workers.get_mut(&worker).unwrap()
    }

    /// Tells who serves, and takes back what others have not taken, as the watcher does.
    fn serve(&mut self) -> u64 {
        let serving: Vec<Serving> = self
            .workers
            .iter()
            .filter(|(_, truth)| truth.serves)
            .map(|(worker, truth)| Serving {
                slot: SlotId(truth.slot),
                worker: *worker,
            })
            .collect();
        self.placing.serve(&serving);
        let (mut taken_back, best) = (0, self.placing.best_role());
        for (worker, truth) in &mut self.workers {
            if self.placing.is_passed_over(*worker, best) {
                for _ in 0..std::mem::take(&mut truth.waiting) {
                    self.placing.take_back(*worker).unwrap();
                    taken_back += 1;
                }
            }
        }
        taken_back
    }

    /// Places one connection; who got it.
    fn place(&mut self) -> Option<WorkerId> {
        let worker = self.placing.next()?;
        let request = self.placing.place(worker);
        assert_eq!(request.tells_end, self.placement == Placement::Fewest);
        let truth = self.truth(worker);
        truth.waiting += 1;
        truth.given += 1;
        Some(worker)
    }

    /// The worker takes what waits and says so.
    fn take(&mut self, worker: WorkerId) {
        let truth = self.truth(worker);
        truth.taken += std::mem::take(&mut truth.waiting);
        self.report(worker);
    }

    fn report(&mut self, worker: WorkerId) {
        let truth = &self.workers[&worker];
        let report = Report {
            taken: truth.taken,
            ended: truth.ended,
            is_last: false,
        };
        self.placing.hear(worker, report).unwrap();
    }

    fn given(&self) -> Vec<u64> {
        self.workers.values().map(|truth| truth.given).collect()
    }

    /// A number below `bound` (xorshift64*).
    fn below(&mut self, bound: u64) -> u64 {
        self.seed ^= self.seed >> 12;
        self.seed ^= self.seed << 25;
        self.seed ^= self.seed >> 27;
        (self.seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }

    fn any_worker(&mut self) -> WorkerId {
        let count = self.workers.len() as u64;
        let index = self.below(count) as usize;
        *self.workers.keys().nth(index).unwrap()
    }
}

#[test]
fn each_gets_its_turn_exactly() {
    let mut fixture = Fixture::new(Placement::RoundRobin, 4);
    for _ in 0..400 {
        let worker = fixture.place().unwrap();
        fixture.take(worker);
    }
    assert_eq!(fixture.given(), [100, 100, 100, 100]);
}

#[test]
fn one_that_stops_gets_nothing_and_the_others_its_share() {
    let mut fixture = Fixture::new(Placement::RoundRobin, 4);
    let stopped = WorkerId(2);
    for _ in 0..8 {
        fixture.place().unwrap();
    }
    fixture.truth(stopped).serves = false;
    assert_eq!(fixture.serve(), 2, "what it had not taken is taken back");
    for _ in 0..300 {
        let worker = fixture.place().unwrap();
        assert_ne!(worker, stopped);
        fixture.take(worker);
    }
    assert_eq!(fixture.given(), [102, 2, 102, 102]);
    fixture.truth(stopped).serves = true;
    fixture.serve();
    let turns: Vec<WorkerId> = (0..4).map(|_| fixture.place().unwrap()).collect();
    assert_eq!(turns.iter().filter(|worker| **worker == stopped).count(), 1);
}

#[test]
fn a_successor_has_the_turn_of_its_slot() {
    let mut fixture = Fixture::new(Placement::RoundRobin, 3);
    assert_eq!(fixture.place(), Some(WorkerId(1)));
    let successor = fixture.join(0);
    fixture.truth(WorkerId(1)).serves = false;
    fixture.truth(successor).serves = true;
    fixture.serve();
    let turns: Vec<u64> = (0..3).map(|_| fixture.place().unwrap().0).collect();
    assert_eq!(turns, [2, 3, successor.0]);
}

#[test]
fn nobody_gets_more_than_it_has_room_for() {
    let mut fixture = Fixture::new(Placement::RoundRobin, 2);
    for _ in 0..2 * MOST_UNTAKEN {
        fixture.place().unwrap();
    }
    assert_eq!(fixture.place(), None);
    fixture.take(WorkerId(2));
    assert_eq!(fixture.place(), Some(WorkerId(2)));
}

#[test]
fn a_full_worker_is_always_one_that_has_been_asked_to_answer() {
    let mut fixture = Fixture::new(Placement::RoundRobin, 1);
    let asked = |fixture: &mut Fixture| {
        let worker = fixture.placing.next().unwrap();
        fixture.placing.place(worker).is_acknowledged
    };
    for _ in 0..MOST_UNTAKEN - 1 {
        asked(&mut fixture);
    }
    // The one that fills it is taken back, and with it the question.
    for _ in 0..3 {
        assert!(asked(&mut fixture));
        assert_eq!(fixture.placing.next(), None);
        fixture.placing.take_back(WorkerId(1)).unwrap();
    }
}

#[test]
fn the_one_with_the_fewest_gets_the_next() {
    let mut fixture = Fixture::new(Placement::Fewest, 3);
    for _ in 0..9 {
        let worker = fixture.place().unwrap();
        fixture.take(worker);
    }
    assert_eq!(fixture.given(), [3, 3, 3]);
    fixture.truth(WorkerId(2)).ended = 2;
    fixture.report(WorkerId(2));
    let next: Vec<u64> = (0..3).map(|_| fixture.place().unwrap().0).collect();
    assert_eq!(next[..2], [2, 2]);
    assert_ne!(next[2], 2, "among equals it is somebody else's turn");
}

#[test]
fn while_nobody_serves_those_that_empty_the_port_get_what_comes() {
    let mut fixture = Fixture::new(Placement::RoundRobin, 2);
    fixture.placing.stop_serving(WorkerId(1));
    fixture.placing.empty(WorkerId(1));
    assert_eq!(fixture.place(), Some(WorkerId(2)));
    let best = fixture.placing.best_role();
    assert!(fixture.placing.is_passed_over(WorkerId(1), best));
    fixture.placing.stop_serving(WorkerId(2));
    assert_eq!(fixture.place(), Some(WorkerId(1)));
    fixture.placing.leave(WorkerId(1));
    assert_eq!(fixture.place(), None);
}

#[test]
fn what_cannot_be_is_not_believed() {
    let mut fixture = Fixture::new(Placement::Fewest, 1);
    let worker = WorkerId(1);
    fixture.place();
    fixture.place();
    let mut say = |taken, ended| {
        let report = Report {
            taken,
            ended,
            is_last: false,
        };
        fixture.placing.hear(worker, report)
    };
    assert_eq!(say(3, 0), Err(Nonsense::Taken { said: 3, given: 2 }));
    assert_eq!(say(1, 2), Err(Nonsense::Ended { ended: 2, taken: 1 }));
    assert_eq!(say(2, 1), Ok(()));
    assert_eq!(say(1, 1), Err(Nonsense::Fewer));
    assert_eq!(say(2, 0), Err(Nonsense::Fewer));
    assert_eq!(
        say(u64::MAX, u64::MAX),
        Err(Nonsense::Taken {
            said: u64::MAX,
            given: 2
        })
    );
}

#[test]
fn one_that_says_that_it_has_taken_what_it_left_is_not_believed() {
    let mut fixture = Fixture::new(Placement::RoundRobin, 1);
    let worker = WorkerId(1);
    (0..5).for_each(|_| assert!(fixture.place().is_some()));
    let report = Report {
        taken: 3,
        ended: 0,
        is_last: false,
    };
    fixture.placing.hear(worker, report).unwrap();
    let mut take_back = || fixture.placing.take_back(worker);
    assert_eq!([take_back(), take_back()], [Ok(()), Ok(())]);
    assert_eq!(take_back(), Err(Nonsense::Left { said: 3, left: 2 }));
    assert!(
        fixture.placing.next().is_some(),
        "it has room, as far as it says"
    );
}

/// One thing that happens to a random worker.
fn happen(fixture: &mut Fixture) {
    let worker = fixture.any_worker();
    match fixture.below(20) {
        0..=9 => drop(fixture.place()),
        10..=12 => fixture.take(worker),
        13..=15 => {
            let truth = fixture.truth(worker);
            let open = truth.taken - truth.ended;
            let ended = fixture.below(open + 1);
            fixture.truth(worker).ended += ended;
            fixture.report(worker);
        }
        16 | 17 => {
            let truth = fixture.truth(worker);
            truth.serves = !truth.serves;
            fixture.serve();
        }
        18 => {
            let slot = fixture.below(4) as u32;
            fixture.join(slot);
        }
        _ if fixture.workers.len() > 1 => {
            fixture.workers.remove(&worker);
            fixture.placing.leave(worker);
        }
        _ => {}
    }
}

/// The next connection goes to one that serves, has room, and with `fewest` has no more open than any other of those.
fn check(fixture: &Fixture) {
    let candidates = || {
        let members = fixture.placing.members.iter();
        members.filter(|(worker, member)| {
            fixture.workers[worker].serves
                && member.role == Role::Serves
                && member.untaken() < MOST_UNTAKEN
        })
    };
    let next = fixture.placing.next();
    assert_eq!(next.is_some(), candidates().next().is_some());
    let Some(next) = next else { return };
    let chosen = &fixture.placing.members[&next];
    assert!(candidates().any(|(worker, _)| *worker == next));
    if fixture.placement == Placement::Fewest {
        let least = candidates().map(|(_, member)| member.open()).min();
        assert_eq!(Some(chosen.open()), least);
    }
    for (worker, truth) in &fixture.workers {
        let member = &fixture.placing.members[worker];
        assert!(truth.waiting <= member.untaken(), "{worker:?}: {truth:?}");
        assert!(truth.waiting <= MOST_UNTAKEN, "{worker:?}: {truth:?}");
    }
}

#[test]
fn whatever_happens_connections_go_to_those_that_serve_and_have_room() {
    for placement in [Placement::RoundRobin, Placement::Fewest] {
        for seed in 1..=50 {
            let mut fixture = Fixture::new(placement, 4);
            fixture.seed = seed;
            for _ in 0..2000 {
                happen(&mut fixture);
                check(&fixture);
            }
        }
    }
}

#[test]
fn after_whatever_has_happened_turns_are_exact_again() {
    for seed in 1..=50 {
        let mut fixture = Fixture::new(Placement::RoundRobin, 4);
        fixture.seed = seed;
        (0..500).for_each(|_| happen(&mut fixture));
        let workers: Vec<WorkerId> = fixture.workers.keys().copied().collect();
        // One worker for each slot, as the watcher has it; all of them take what they are given.
        let mut slots = std::collections::BTreeSet::new();
        for worker in &workers {
            let slot = fixture.workers[worker].slot;
            fixture.truth(*worker).serves = slots.insert(slot);
            fixture.take(*worker);
        }
        fixture.serve();
        let before: BTreeMap<WorkerId, u64> = workers
            .iter()
            .map(|worker| (*worker, fixture.workers[worker].given))
            .collect();
        for _ in 0..100 * slots.len() {
            let worker = fixture.place().unwrap();
            fixture.take(worker);
        }
        for worker in &workers {
            let truth = &fixture.workers[worker];
            let expected = if truth.serves { 100 } else { 0 };
            assert_eq!(truth.given - before[worker], expected, "seed {seed}");
        }
    }
}
