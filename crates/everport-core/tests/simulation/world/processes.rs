//! What processes do, and the troubles they get into.

use everport_core::{Event, Exit, Generation, PortId, ReplaceCause, WorkerId};

use super::{Planned, Process, Step, World};
use crate::random::Random;

impl World {
    pub(super) fn take_step(&mut self, worker: WorkerId, step: Step) {
        // What it said before it was stopped can be heard afterwards.
        let heard_late = matches!(step, Step::BeReady) && self.fails(10);
        let Some(process) = self.processes.get_mut(&worker) else {
            return;
        };
        match step {
            Step::Exist => {
                process.exists = true;
                self.report(Event::Spawned { worker });
            }
            // A tie: it was too late to call it off.
            Step::FailToExist if process.exists => {}
            Step::FailToExist => {
                self.processes.remove(&worker);
                self.report(Event::SpawnFailed { worker });
            }
            Step::Exit(exit) => self.exit(worker, exit),
            // It comes into being at the same moment, but later, or much later.
            _ if !process.exists => self.plan_in(20_000_000, Planned::Step(worker, step)),
            Step::Resume => {
                process.suspended = false;
                self.report(Event::Resumed { worker });
            }
            Step::BeHeard if self.calm || !process.suspended => {
                process.silent = false;
                self.report(Event::Heard { worker });
            }
            // It stands still: what it was about to do it does later.
            _ if process.suspended && !heard_late => {
                self.plan_in(20_000_000, Planned::Step(worker, step))
            }
            Step::BeHeard => {}
            Step::Listen(port) => self.report(Event::Listening { worker, port }),
            Step::Release(port) => self.report(Event::Released { worker, port }),
            Step::BeReady => self.report(Event::Ready { worker }),
            _ if self.calm => {}
            Step::Suspend => {
                process.suspended = true;
                self.report(Event::Suspended { worker });
                let pause = self.random.millis(0, 2_000);
                self.plan_in(pause, Planned::Step(worker, Step::Resume));
            }
            Step::FallSilent => self.fall_silent(worker),
            Step::AskReplacement => self.ask_for_replacement(worker),
            Step::Leave => {
                self.report(Event::Leaving { worker });
                self.plan_exit(worker, 2_000);
            }
            Step::Crash => self.exit(worker, Exit::Failure),
        }
    }

    /// Some are never heard again.
    fn fall_silent(&mut self, worker: WorkerId) {
        if let Some(process) = self.processes.get_mut(&worker) {
            process.silent = true;
        }
        self.report(Event::Silent { worker });
        if self.random.chance(70) {
            let longest = self.random.pick(&[1, 50, 500, 5_000]);
            let pause = self.random.millis(0, longest);
            self.plan_in(pause, Planned::Step(worker, Step::BeHeard));
        }
    }

    fn ask_for_replacement(&mut self, worker: WorkerId) {
        let cause = self.random.pick(&[
            ReplaceCause::Asked,
            ReplaceCause::Connections,
            ReplaceCause::Memory,
        ]);
        self.report(Event::ReplaceRequested { worker, cause });
    }

    pub(super) fn exit(&mut self, worker: WorkerId, exit: Exit) {
        if self
            .processes
            .get(&worker)
            .is_some_and(|process| process.exists)
        {
            self.processes.remove(&worker);
            self.report(Event::Exited { worker, exit });
        }
    }

    /// A drained worker finishes unless it is stopped; then only the deadline ends it.
    pub(super) fn plan_exit(&mut self, worker: WorkerId, longest_ms: u64) {
        let delay = self.random.millis(0, longest_ms);
        let exit = self
            .random
            .pick(&[Exit::Success, Exit::Success, Exit::Failure]);
        let stopped = self
            .processes
            .get(&worker)
            .is_some_and(|process| process.suspended);
        if !stopped {
            self.plan_in(delay, Planned::Step(worker, Step::Exit(exit)));
        }
    }

    pub(super) fn plan_life(&mut self, worker: WorkerId, generation: Generation) {
        self.processes.insert(worker, Process::default());
        let longest_spawn = self.limited(self.swarm.longest_spawn_ms);
        let longest_boot = self.limited(self.swarm.longest_boot_ms);
        let mut at = self.random.millis(0, longest_spawn);
        if self.fails(self.swarm.spawn_fails) || self.is_hopeless(generation, 0) {
            self.plan_in(at, Planned::Step(worker, Step::FailToExist));
            return;
        }
        self.plan_in(at, Planned::Step(worker, Step::Exist));
        if self.fails(self.swarm.crashes_at_once) || self.is_hopeless(generation, 1) {
            at += self.random.millis(0, 2);
            self.plan_in(at, Planned::Step(worker, Step::Crash));
        }
        for port in self.ports_of(generation) {
            let listens = at + self.random.millis(0, longest_boot);
            self.plan_in(listens, Planned::Step(worker, Step::Listen(port)));
            if self.fails(self.swarm.gives_back) {
                self.plan_giving_back(worker, port, listens);
            }
        }
        at += self.random.millis(0, longest_boot);
        if !self.fails(self.swarm.never_ready) && !self.is_hopeless(generation, 2) {
            self.plan_in(at, Planned::Step(worker, Step::BeReady));
        }
        self.plan_troubles(worker, generation, at);
    }

    /// Some only change their mind.
    fn plan_giving_back(&mut self, worker: WorkerId, port: PortId, listens: u64) {
        let longest = self.random.pick(&[10, 100, 3_000]);
        let gives_back = listens + self.random.millis(0, longest);
        self.plan_in(gives_back, Planned::Step(worker, Step::Release(port)));
        if self.random.chance(50) {
            let again = gives_back + self.random.millis(0, longest);
            self.plan_in(again, Planned::Step(worker, Step::Listen(port)));
        }
    }

    /// Being slower than the boot timeout is a fault like any other.
    pub(super) fn limited(&self, longest: u64) -> u64 {
        let allowed = self.swarm.policy.boot_timeout.as_millis() as u64 / 2;
        if self.calm {
            longest.min(allowed)
        } else {
            longest
        }
    }

    pub(super) fn plan_troubles(
        &mut self,
        worker: WorkerId,
        generation: Generation,
        ready_at: u64,
    ) {
        let troubles = [
            (self.swarm.crashes_later, Step::Crash),
            (self.swarm.suspends, Step::Suspend),
            (self.swarm.falls_silent, Step::FallSilent),
            (self.swarm.falls_silent / 2, Step::FallSilent),
            (self.swarm.leaves, Step::Leave),
            (self.swarm.asks_replacement, Step::AskReplacement),
        ];
        for (percent, step) in troubles {
            if self.fails(percent) {
                let longest = self.random.pick(&[0, 10, 1_000, 10_000]);
                let at = ready_at / 2 + self.random.millis(0, longest);
                self.plan_in(at, Planned::Step(worker, step));
            }
        }
        if self.is_hopeless(generation, 3) {
            let at = ready_at + self.random.millis(0, 1_500);
            self.plan_in(at, Planned::Step(worker, Step::Crash));
        }
    }

    pub(super) fn fails(&mut self, percent: u64) -> bool {
        !self.calm && self.random.chance(percent)
    }

    /// Some generations are broken releases: every worker of theirs fails in the same way.
    pub(super) fn is_hopeless(&self, generation: Generation, way: u64) -> bool {
        let dice = Random::new(generation.0 * 7919 + self.swarm.bad_generation).next();
        let broken = dice % 100 < self.swarm.bad_generation && generation.0 > 1;
        let hopeless = self.swarm.hopeless && way < 3;
        !self.calm && (broken || hopeless) && (dice >> 32) % 4 == way
    }

    /// Every generation listens to port 0, and to one more that changes.
    pub(super) fn ports_of(&self, generation: Generation) -> Vec<PortId> {
        vec![PortId(0), PortId(1 + (generation.0 / 2 % 3) as u32)]
    }
}
