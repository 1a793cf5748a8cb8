//! The second phase of a run: no more faults, and the cluster has to get to where it should be.

use std::time::Duration;

use everport_core::{Event, Pending};

use super::{Line, Planned, Step, World};

const STEPS_TO_CONVERGE: u32 = 5_000; // some 50 events per worker are the rule
const RESTS_SOMETIMES: Duration = Duration::from_secs(10); // replacing a whole cluster takes less

impl World {
    /// No more faults: whoever is stopped goes on, nothing late arrives, nobody gives commands. Some stay
    /// silent: where there is a hang timeout, it ends them.
    pub(super) fn calm_down(&mut self) {
        self.trace(Line::Calm);
        self.calm = true;
        self.newest_before_calm = self.processes.keys().next_back().copied();
        self.plan
            .retain(|_, planned| matches!(planned, Planned::Step(..)));
        let existing = self.processes.iter().filter(|(_, process)| process.exists);
        let workers: Vec<_> = existing.map(|(worker, _)| *worker).collect();
        for worker in workers {
            self.take_step(worker, Step::Resume);
            let silent = self
                .processes
                .get(&worker)
                .is_some_and(|process| process.silent);
            let ends = !self.swarm.policy.hang_timeout.is_zero();
            if silent && ends && self.random.chance(50) {
                self.coverage.count("left silent in the calm");
            } else {
                self.take_step(worker, Step::BeHeard);
            }
        }
    }

    pub(super) fn restart_in_the_calm(&mut self) {
        let before = self.supervisor.status().generation;
        self.deliver(Event::Restart);
        self.converge();
        assert!(
            self.supervisor.status().generation > before,
            "a rollout without faults must finish"
        );
        self.coverage.count("restarted in the calm");
    }

    pub(super) fn converge(&mut self) {
        // While others are replaced all the time, a back-off or a deadline of seconds takes many steps.
        let factor = if self.is_always_replacing() { 20 } else { 1 };
        for _ in 0..STEPS_TO_CONVERGE * factor {
            if self.exited || self.is_where_it_should_be() || !self.step() {
                break;
            }
        }
        if self.exited {
            return;
        }
        if self.is_always_replacing() {
            assert!(
                self.is_where_it_should_be(),
                "faults are off, and more is under way than replacements"
            );
            self.coverage.count("converged while always replacing");
            return;
        }
        assert_eq!(
            self.supervisor.pending(),
            None,
            "faults are off and nothing is left to happen"
        );
        self.checker.assert_converged();
        let alive = self
            .processes
            .values()
            .filter(|process| process.exists)
            .count();
        self.checker.assert_alive(alive);
        self.coverage.count("converged");
    }

    /// Without a lifetime there comes an end to what happens, and nothing less will do.
    fn is_where_it_should_be(&self) -> bool {
        match self.supervisor.pending() {
            None if self.is_always_replacing() => self.has_been_replaced(),
            None => self.swarm.policy.max_lifetime.is_some(),
            Some(Pending::Replacement(_) | Pending::Draining(_)) => {
                self.is_always_replacing() && self.has_been_replaced()
            }
            Some(_) => false,
        }
    }

    /// Whether every slot is served, and by workers that never met a fault.
    fn has_been_replaced(&self) -> bool {
        let newest = self.newest_before_calm;
        let mut workers = self.processes.keys();
        self.checker.every_slot_is_served() && workers.all(|worker| Some(*worker) > newest)
    }

    /// Whether workers live no longer than replacing them may take.
    fn is_always_replacing(&self) -> bool {
        let lifetime = self.swarm.policy.max_lifetime;
        lifetime.is_some_and(|lifetime| lifetime < RESTS_SOMETIMES)
    }

    pub(super) fn nothing_follows_exit(&mut self) {
        assert!(
            self.processes.values().all(|process| !process.exists),
            "a process outlived the exit"
        );
        for event in [
            Event::Restart,
            Event::Scale { workers: 3 },
            Event::Stop,
            Event::ForceStop,
        ] {
            self.deliver(event);
        }
        assert_eq!(
            self.supervisor.poll_timeout(),
            None,
            "nothing is left to wait for"
        );
        assert_eq!(self.supervisor.pending(), None, "nothing is left to do");
    }
}
