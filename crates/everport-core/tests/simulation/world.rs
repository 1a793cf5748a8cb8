//! The world: processes that fail in every way, a clock that steps, people who give commands.

mod calm;
mod clock;
mod processes;

use core::fmt;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use everport_core::{Action, Event, Exit, Notice, PortId, Supervisor, Timestamp, WorkerId};

use crate::checker::{Checker, Trial};
use crate::coverage::Coverage;
use crate::random::Random;
use crate::swarm::Swarm;

const START: Duration = Duration::from_secs(1_000); // leaves the clock room to step back
const TRACE_LINES: usize = 120; // the last two or three decisions with what led to them
const TURNS_AT_ONE_MOMENT: u32 = 1_000; // a shell that is called back more often than this spins

pub(crate) struct World {
    random: Random,
    swarm: Swarm,
    supervisor: Supervisor,
    checker: Checker,
    coverage: Coverage,
    /// True time, in nanoseconds; never runs backwards.
    time: u64,
    /// What the shell's clock shows beyond true time.
    clock_offset: i64,
    /// What will happen: by moment, then in any order.
    plan: BTreeMap<(u64, u64), Planned>,
    processes: BTreeMap<WorkerId, Process>,
    calm: bool,
    /// The newest worker that was spawned while there were faults.
    newest_before_calm: Option<WorkerId>,
    exited: bool,
    turns_at_one_moment: (u64, u32),
    trace: VecDeque<Line>,
}

#[derive(Clone)]
enum Line {
    Event(u64, Event),
    Timeout(u64),
    Action(Action),
    Notice(Notice),
    Calm,
}

#[derive(Debug, Clone, Copy)]
enum Planned {
    Step(WorkerId, Step),
    /// A duplicate or late event.
    Echo(Event),
    Command,
    ClockStep,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Exist,
    FailToExist,
    Listen(PortId),
    Release(PortId),
    BeReady,
    Crash,
    Leave,
    AskReplacement,
    Suspend,
    Resume,
    FallSilent,
    BeHeard,
    Exit(Exit),
}

#[derive(Debug, Clone, Copy, Default)]
struct Process {
    exists: bool,
    suspended: bool,
    silent: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let swarm = Swarm::draw(&mut random);
        let now = Timestamp::from_duration(START);
        let supervisor = Supervisor::new(swarm.policy, swarm.workers, random.next(), now);
        Self {
            checker: Checker::new(swarm.policy, swarm.workers, now),
            random,
            swarm,
            supervisor,
            coverage: Coverage::default(),
            time: 0,
            clock_offset: 0,
            plan: BTreeMap::new(),
            processes: BTreeMap::new(),
            calm: false,
            newest_before_calm: None,
            exited: false,
            turns_at_one_moment: (0, 0),
            trace: VecDeque::new(),
        }
    }

    pub(crate) fn coverage(&self) -> &Coverage {
        &self.coverage
    }

    /// Phase one: faults, and safety at every step. Phase two: no faults, and convergence.
    pub(crate) fn run(&mut self) {
        self.drain_outputs();
        self.plan_in(0, Planned::Command);
        self.plan_in(0, Planned::ClockStep);
        for _ in 0..self.swarm.events {
            if self.exited || !self.step() {
                break;
            }
        }
        self.calm_down();
        self.converge();
        if !self.exited {
            self.restart_in_the_calm();
        }
        if self.exited {
            self.nothing_follows_exit();
        }
    }

    pub(crate) fn print_trace(&self) {
        println!("{:#?}", self.swarm);
        for line in &self.trace {
            println!("{line}");
        }
        for worker in self.supervisor.status().workers {
            println!("{worker:?}");
        }
    }

    /// Lets the next thing happen: a plan's or a deadline's, in any order when both are due at once.
    fn step(&mut self) -> bool {
        let planned = self.plan.keys().next().copied();
        let deadline = self
            .supervisor
            .poll_timeout()
            .map(|deadline| self.true_time_of(deadline));
        match (planned, deadline) {
            (None, None) => return false,
            (Some(key), None) => self.happen(key),
            (None, Some(deadline)) => self.time_out(deadline),
            (Some(key), Some(deadline)) => {
                let planned_first =
                    key.0 < deadline || (key.0 == deadline && self.random.chance(50));
                if planned_first {
                    self.happen(key);
                } else {
                    self.time_out(deadline);
                }
            }
        }
        self.assert_no_spinning();
        true
    }

    fn time_out(&mut self, deadline: u64) {
        self.time = self.time.max(deadline);
        let now = self.now();
        self.trace(Line::Timeout(self.time));
        self.checker.before_timeout(now);
        self.supervisor.handle_timeout(now);
        self.coverage.events += 1;
        self.drain_outputs();
        self.checker.after_timeout();
    }

    fn happen(&mut self, key: (u64, u64)) {
        let Some(planned) = self.plan.remove(&key) else {
            return;
        };
        self.time = self.time.max(key.0);
        match planned {
            Planned::Step(worker, step) => self.take_step(worker, step),
            Planned::Echo(event) => self.deliver(event),
            Planned::Command => self.command(),
            Planned::ClockStep => self.step_clock(),
        }
    }

    fn command(&mut self) {
        let pause = self.random.millis(0, self.swarm.between_commands_ms);
        self.plan_in(pause, Planned::Command);
        if self.random.chance(self.swarm.restarts) {
            self.deliver(Event::Restart);
        }
        if self.random.chance(self.swarm.scales) {
            let workers = self.random.between(0, 7) as u32;
            self.deliver(Event::Scale { workers });
        }
        if self.random.chance(self.swarm.stops) {
            self.deliver(Event::Stop);
        }
        if self.random.chance(self.swarm.force_stops) {
            self.deliver(Event::ForceStop);
        }
    }

    /// Tells the supervisor what really happened, and maybe once more, now or later.
    fn report(&mut self, event: Event) {
        self.deliver(event);
        if !self.calm && self.random.chance(self.swarm.duplicates) {
            let delay = self.random.pick(&[0, 0, 1_000_000, 500_000_000]);
            self.plan_in(delay, Planned::Echo(event));
            if let Event::Spawned { worker } = event {
                self.plan_in(delay, Planned::Echo(Event::SpawnFailed { worker }));
            }
            let worker = WorkerId(self.random.between(1_000_000, 1_000_001));
            self.plan_in(delay, Planned::Echo(Event::Ready { worker }));
            self.plan_in(delay, Planned::Echo(Event::SpawnFailed { worker }));
        }
    }

    fn deliver(&mut self, event: Event) {
        let now = self.now();
        self.trace(Line::Event(self.time, event));
        self.checker.before_event(now, event);
        self.supervisor.handle_event(now, event);
        self.coverage.events += 1;
        let closed = self.coverage.times("close port");
        self.drain_outputs();
        if matches!(event, Event::Released { .. }) && self.coverage.times("close port") > closed {
            self.coverage.count("close port given back");
        }
    }

    /// Reads notices before actions: the checker needs to know which rollout a decision is part of.
    fn drain_outputs(&mut self) {
        while let Some(notice) = self.supervisor.poll_notice() {
            self.trace(Line::Notice(notice));
            self.coverage.notice(&notice);
            self.count_given_up(notice);
            self.checker.notice(notice);
        }
        while let Some(action) = self.supervisor.poll_action() {
            self.trace(Line::Action(action.clone()));
            self.coverage.action(&action);
            self.checker.action(&action);
            self.perform(&action);
        }
        self.checker.after_step();
    }

    /// Tells apart why a worker had no time left.
    fn count_given_up(&mut self, notice: Notice) {
        if let Notice::BootTimedOut { worker, .. } = notice {
            self.coverage.count(match self.checker.trial_of(worker) {
                Trial::Boots => "gave up: boots",
                Trial::Settles => "gave up: stopped before it had settled",
                Trial::Waits => "gave up: stopped before it could take over",
            });
        }
        if let Notice::HangTimedOut { worker, .. } = notice {
            self.coverage.count(match self.checker.trial_of(worker) {
                Trial::Boots => "gave up: silent while it boots",
                Trial::Settles => "gave up: silent before it had settled",
                Trial::Waits => "gave up: silent",
            });
        }
    }

    fn perform(&mut self, action: &Action) {
        match action {
            Action::Spawn {
                worker, generation, ..
            } => self.plan_life(*worker, *generation),
            Action::Drain { worker, .. } => {
                if self.calm || !self.random.chance(self.swarm.ignores_drain) {
                    self.plan_exit(*worker, 500);
                }
            }
            Action::Kill { worker } => {
                let late = !self.calm && self.random.chance(self.swarm.exits_late);
                let delay = self.random.millis(0, if late { 3_000 } else { 2 });
                match self.processes.get(worker).map(|process| process.exists) {
                    Some(true) => {
                        self.plan_in(delay, Planned::Step(*worker, Step::Exit(Exit::Failure)));
                    }
                    // What does not exist yet cannot be killed, but it need not come into being.
                    Some(false) if self.random.chance(50) => {
                        self.plan_in(0, Planned::Step(*worker, Step::FailToExist));
                    }
                    _ => {}
                }
            }
            Action::Exit { .. } => self.exited = true,
            Action::AnnounceLeaving { delay, .. } => {
                if *delay < self.swarm.policy.drain_delay {
                    self.coverage.count("announce leaving to a newcomer");
                }
            }
            Action::Steer { .. } | Action::ClosePort { .. } | Action::CloseSlot { .. } => {}
        }
    }

    fn plan_in(&mut self, delay: u64, planned: Planned) {
        let order = self.random.next();
        self.plan.insert((self.time + delay, order), planned);
    }

    fn trace(&mut self, line: Line) {
        if self.trace.len() == TRACE_LINES {
            self.trace.pop_front();
        }
        self.trace.push_back(line);
    }
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.supervisor.pending();
        write!(
            f,
            "after {} events, pending: {pending:?}",
            self.coverage.events
        )
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Event(time, event) => write!(f, "{:>12} {event:?}", time / 1000),
            Self::Timeout(time) => write!(f, "{:>12} the deadline has come", time / 1000),
            Self::Action(action) => write!(f, "{:>16} {action:?}", "->"),
            Self::Notice(notice) => write!(f, "{:>16} {notice:?}", "note"),
            Self::Calm => write!(f, "{:>12} faults are off", ""),
        }
    }
}
