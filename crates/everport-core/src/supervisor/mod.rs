//! The supervisor: events in, actions and notices out.

mod backoff;
mod budget;
mod deadlines;
mod jitter;
mod leaving;
mod life;
mod reconcile;
mod replacing;
mod retire;
mod rollout;
mod scale;
mod settling;
mod silence;
mod slot;
mod status;
mod steering;
mod stop;
mod timers;
mod worker;

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use self::jitter::Jitter;
use self::rollout::Rollout;
use self::slot::Slot;
use self::timers::Timers;
use self::worker::Worker;
use crate::{
    Action, DrainReason, Event, ExitReason, Generation, Notice, Policy, PortId, Serving, SlotId,
    Timestamp, WorkerId,
};

pub use self::status::{Pending, Status, WorkerState, WorkerStatus};

/// The state machine.
///
/// It keeps what is wanted (`wanted` slots, the `good` generation, a rollout) apart from what is (the
/// workers in the slots). Every input changes one of the two; then `reconcile` decides what to do about
/// the difference. Time never runs backwards in here: a clock that steps back counts as no time passed.
#[derive(Debug)]
pub struct Supervisor {
    policy: Policy,
    jitter: Jitter,
    started: Timestamp,
    now: Timestamp,
    phase: Phase,
    /// How many slots there should be: those with ids below it. Higher ones are on their way out.
    wanted: u32,
    slots: BTreeMap<SlotId, Slot>,
    /// The slot of every worker there is.
    homes: BTreeMap<WorkerId, SlotId>,
    last_worker: u64,
    last_generation: u64,
    /// The generation every slot should run when there is no rollout.
    good: Generation,
    rollout: Option<Rollout>,
    restart_remembered: bool,
    ever_ready: bool,
    cluster_was_ready: bool,
    /// Every port that was asked for and not closed, with its last steering.
    ports: BTreeMap<PortId, Vec<Serving>>,
    /// Workers that count as draining already and have yet to be told.
    to_tell: Vec<(WorkerId, DrainReason)>,
    timers: Timers,
    actions: VecDeque<Action>,
    notices: VecDeque<Notice>,
}

/// The life of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    /// A graceful stop was asked for; until then everything goes on, but nothing new is begun.
    Leaving {
        until: Timestamp,
    },
    Stopping(ExitReason),
    Exited,
}

impl Phase {
    /// Whether workers that are lost get successors.
    fn supervises(self) -> bool {
        matches!(self, Self::Running | Self::Leaving { .. })
    }
}

impl Supervisor {
    /// A supervisor that wants `workers` slots filled; its first actions are their spawns.
    ///
    /// `workers` is taken into the range of 1 to 65,536, and so is every later [`Event::Scale`]. The
    /// `seed` decides the jitter of back-off delays and lifetimes and nothing else.
    #[must_use]
    pub fn new(policy: Policy, workers: u32, seed: u64, now: Timestamp) -> Self {
        let mut supervisor = Self {
            policy,
            jitter: Jitter::new(seed),
            started: now,
            now,
            phase: Phase::Running,
            wanted: 0,
            slots: BTreeMap::new(),
            homes: BTreeMap::new(),
            last_worker: 0,
            last_generation: 1,
            good: Generation(1),
            rollout: None,
            restart_remembered: false,
            ever_ready: false,
            cluster_was_ready: false,
            ports: BTreeMap::new(),
            to_tell: Vec::new(),
            timers: Timers::default(),
            actions: VecDeque::new(),
            notices: VecDeque::new(),
        };
        supervisor.want_slots(workers);
        supervisor.reconcile();
        supervisor
    }

    /// Takes note of what happened. Drain the outputs afterwards.
    pub fn handle_event(&mut self, now: Timestamp, event: Event) {
        if self.phase == Phase::Exited {
            return;
        }
        self.now = self.now.max(now);
        match event {
            Event::Restart => self.on_restart(),
            Event::Scale { workers } => self.on_scale(workers),
            Event::Stop => self.on_stop(),
            Event::ForceStop => self.kill_all(ExitReason::Forced),
            Event::Spawned { worker } => self.on_spawned(worker),
            Event::SpawnFailed { worker } => self.on_spawn_failed(worker),
            Event::Listening { worker, port } => self.on_listening(worker, port),
            Event::Released { worker, port } => self.on_released(worker, port),
            Event::Ready { worker } => self.on_ready(worker),
            Event::ReplaceRequested { worker, cause } => self.want_successor(worker, cause),
            Event::Silent { worker } => self.on_silent(worker),
            Event::Heard { worker } => self.on_heard(worker),
            Event::Suspended { worker } => self.on_suspended(worker),
            Event::Resumed { worker } => self.on_resumed(worker),
            Event::Leaving { worker } => self.on_leaving(worker),
            // Leaving unasked is a loss even when the exit code says success.
            Event::Exited { worker, exit: _ } => self.on_exited(worker),
        }
        self.reconcile();
    }

    /// Takes note that time has passed. Drain the outputs afterwards.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        if self.phase == Phase::Exited {
            return;
        }
        self.now = self.now.max(now);
        for timer in self.timers.expired(self.now) {
            // An earlier one in this list may have ended what a later one was about.
            if self.timers.take_expired(timer, self.now) {
                self.on_deadline(timer);
            }
        }
        self.reconcile();
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// The next record.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop_front()
    }

    /// Whether a deadline runs at which a worker would be killed. Time in which the shell itself did not run
    /// must not count towards it, so the shell looks at its clock more often then.
    #[must_use]
    pub fn is_impatient(&self) -> bool {
        self.timers.has_deadly()
    }

    /// When `handle_timeout` must be called at the latest.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.earliest()
    }

    fn worker(&self, id: WorkerId) -> Option<&Worker> {
        self.slots.get(self.homes.get(&id)?)?.worker(id)
    }

    fn worker_mut(&mut self, id: WorkerId) -> Option<&mut Worker> {
        self.slots.get_mut(self.homes.get(&id)?)?.worker_mut(id)
    }

    fn wanted_slots(&self) -> impl Iterator<Item = (SlotId, &Slot)> {
        let end = SlotId(self.wanted);
        self.slots.range(..end).map(|(id, slot)| (*id, slot))
    }

    fn all_workers(&self) -> impl Iterator<Item = &Worker> {
        self.slots.values().flat_map(Slot::workers)
    }

    fn spawn(&mut self, slot: SlotId, generation: Generation) {
        let Some(home) = self.slots.get_mut(&slot) else {
            return;
        };
        self.last_worker += 1;
        let worker = WorkerId(self.last_worker);
        home.add(Worker::new(worker, generation, self.now));
        self.homes.insert(worker, slot);
        self.actions.push_back(Action::Spawn {
            worker,
            slot,
            generation,
        });
    }

    fn forget(&mut self, worker: WorkerId) {
        self.timers.clear_worker(worker);
        if let Some(slot) = self.homes.remove(&worker)
            && let Some(home) = self.slots.get_mut(&slot)
        {
            home.remove(worker);
        }
    }
}
