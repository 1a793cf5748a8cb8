//! A shell without processes: a script says what workers do, the driver keeps what was decided.

use core::time::Duration;
use std::collections::VecDeque;

use everport_core::{
    Action, DrainReason, Event, Exit, Generation, Notice, Policy, PortId, SlotId, Supervisor,
    Timestamp, WorkerId,
};

pub(crate) const HTTP: PortId = PortId(0);

/// A supervisor, its virtual clock, and every decision that has not been looked at.
pub(crate) struct Driver {
    pub(crate) supervisor: Supervisor,
    now: Timestamp,
    actions: VecDeque<Action>,
    pub(crate) notices: Vec<Notice>,
}

impl Driver {
    pub(crate) fn new(policy: Policy, workers: u32) -> Self {
        let now = Timestamp::from_duration(Duration::from_secs(100));
        let mut driver = Self {
            supervisor: Supervisor::new(policy, workers, 1, now),
            now,
            actions: VecDeque::new(),
            notices: Vec::new(),
        };
        driver.collect();
        driver
    }

    /// A cluster whose workers 1 to `workers` listen to HTTP and have been ready for an hour.
    pub(crate) fn ready(policy: Policy, workers: u32) -> Self {
        let mut driver = Self::new(policy, workers);
        for worker in 1..=u64::from(workers) {
            driver.boot(worker);
        }
        driver.pass(Duration::from_secs(3600));
        driver.forget();
        driver
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.supervisor.handle_event(self.now, event);
        self.collect();
    }

    /// Lets a worker come up: it exists, listens to HTTP and is ready.
    pub(crate) fn boot(&mut self, worker: u64) {
        let worker = WorkerId(worker);
        self.event(Event::Spawned { worker });
        self.event(Event::Listening { worker, port: HTTP });
        self.event(Event::Ready { worker });
    }

    pub(crate) fn dies(&mut self, worker: u64) {
        let (worker, exit) = (WorkerId(worker), Exit::Failure);
        self.event(Event::Exited { worker, exit });
    }

    /// Lets time pass, with a turn at every deadline on the way.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(deadline) = self
            .supervisor
            .poll_timeout()
            .filter(|deadline| *deadline <= end)
        {
            self.now = self.now.max(deadline);
            self.supervisor.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    /// Lets time pass without a turn, as when the shell is busy.
    pub(crate) fn skip_turns(&mut self, duration: Duration) {
        self.now = self.now + duration;
    }

    /// The time until the next deadline.
    pub(crate) fn next_deadline(&self) -> Duration {
        self.supervisor.poll_timeout().expect("a timer runs") - self.now
    }

    pub(crate) fn step_clock_back(&mut self, by: Duration) {
        self.now = Timestamp::from_duration(self.now.since_start() - by);
    }

    pub(crate) fn forget(&mut self) {
        self.actions.clear();
        self.notices.clear();
    }

    /// Asserts everything decided since the last look, in its order.
    #[track_caller]
    pub(crate) fn expect(&mut self, expected: &[Action]) {
        let actions: Vec<_> = self.actions.drain(..).collect();
        assert_eq!(actions, expected);
    }

    /// As `expect`, without steering.
    #[track_caller]
    pub(crate) fn expect_besides_steering(&mut self, expected: &[Action]) {
        let actions = self.actions.drain(..);
        let actions: Vec<_> = actions
            .filter(|action| !matches!(action, Action::Steer { .. }))
            .collect();
        assert_eq!(actions, expected);
    }

    /// The decisions since the last look.
    pub(crate) fn decided(&mut self) -> Vec<Action> {
        self.actions.drain(..).collect()
    }

    #[track_caller]
    pub(crate) fn expect_notice(&self, expected: &Notice) {
        assert!(
            self.notices.contains(expected),
            "no {expected:?} in {:#?}",
            self.notices
        );
    }

    fn collect(&mut self) {
        self.actions
            .extend(core::iter::from_fn(|| self.supervisor.poll_action()));
        self.notices
            .extend(core::iter::from_fn(|| self.supervisor.poll_notice()));
    }
}

/// The worker is stopped by a signal.
pub(crate) fn stops(driver: &mut Driver, worker: u64) {
    driver.event(Event::Suspended {
        worker: WorkerId(worker),
    });
}

/// It runs again.
pub(crate) fn goes_on(driver: &mut Driver, worker: u64) {
    driver.event(Event::Resumed {
        worker: WorkerId(worker),
    });
}

pub(crate) fn spawn(worker: u64, slot: u32, generation: u64) -> Action {
    Action::Spawn {
        worker: WorkerId(worker),
        slot: SlotId(slot),
        generation: Generation(generation),
    }
}

pub(crate) fn drain(worker: u64, reason: DrainReason) -> Action {
    Action::Drain {
        worker: WorkerId(worker),
        reason,
        timeout: Policy::default().drain_timeout,
    }
}

pub(crate) fn kill(worker: u64) -> Action {
    Action::Kill {
        worker: WorkerId(worker),
    }
}

/// New HTTP connections go to these workers: pairs of slot and worker.
pub(crate) fn steer(serving: &[(u32, u64)]) -> Action {
    let serving = serving.iter().map(|(slot, worker)| everport_core::Serving {
        slot: SlotId(*slot),
        worker: WorkerId(*worker),
    });
    Action::Steer {
        port: HTTP,
        serving: serving.collect(),
    }
}

pub(crate) const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A policy in which a worker is believed as soon as it says that it is ready.
pub(crate) fn at_once() -> Policy {
    Policy {
        settle: Duration::ZERO,
        ..Policy::default()
    }
}
