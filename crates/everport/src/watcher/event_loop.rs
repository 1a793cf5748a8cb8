//! The watcher's loop: turns what happens into the supervisor's events.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use everport_core::{Event, ExitReason, Notice as Decision, Supervisor, Timestamp};
use rustix::process::Rlimit;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::abandoned::AbandonedThreads;
use super::aborts::Failures;
use super::child_changes;
use super::clock::Clock;
use super::handle::{Commands, Desk};
use super::hooks::Hooks;
use super::inherited_sockets::Refused;
use super::input::Input;
use super::links::Links;
use super::memory::OutOfMemoryCounter;
use super::memory_limit::MemoryLimit;
use super::messages::Switchboard;
use super::notices::Announcer;
use super::oom_score::OomScore;
use super::pinning::Pinning;
use super::ports::{Dispatching, PassedSockets, PortTable, Seen};
use super::pulse::Pulse;
use super::releases::Releases;
use super::restarts::Restarts;
use super::rings::Rings;
use super::spawn::Spawner;
use super::turns::Recruits;
use super::waits::Waits;
use super::worker::Worker;
use super::workforce::Recruiter;
use super::{Builder, RunError};
use crate::WorkerId;
use crate::log::{Entry, Notice, Sink, Source};
use crate::messages::Endpoint;

/// How many inputs may wait. Their senders then wait in turn, so a flooding worker delays the others by one
/// queue's length at most.
pub(super) const INBOX: usize = 64;

/// How often the clock is read while a worker is about to be killed, so that hardly more than this counts of a
/// time in which the watcher itself did not run.
const IMPATIENT: Duration = Duration::from_millis(250);

/// Everything the running watcher has.
pub(crate) struct EventLoop {
    pub(crate) supervisor: Supervisor,
    pub(crate) workers: HashMap<WorkerId, Worker>,
    /// Who is to be started, one in each turn.
    pub(super) recruits: Recruits,
    pub(crate) links: Links,
    pub(crate) ports: PortTable,
    pub(crate) pulse: Pulse,
    pub(crate) releases: Releases,
    /// The worker that is just giving a port back.
    pub(crate) releasing: Option<WorkerId>,
    pub(crate) recruiter: Recruiter,
    /// Which CPU each worker runs on, if that was asked for.
    pub(crate) pinning: Option<Pinning>,
    pub(crate) failures: Failures,
    /// Where every entry goes: to the application's sink, and notices to those who read them.
    pub(crate) sink: Arc<dyn Sink>,
    pub(crate) hooks: Hooks,
    pub(crate) rings: Rings,
    pub(crate) switchboard: Switchboard,
    /// The endpoint of the application that we are embedded in.
    pub(crate) messages: Endpoint,
    pub(crate) sender: mpsc::Sender<Input>,
    pub(crate) shutdown_timeout: Duration,
    /// After how many accepted connections a worker asks to be replaced; 0: never.
    pub(crate) max_connections: u64,
    /// Since the stop has begun: how long a port must be quiet before its last worker stops accepting.
    pub(crate) quiet_at_stop: Option<Duration>,
    pub(crate) exit: Option<ExitReason>,
    /// Whether the kernel's limit on waiting connections has been spoken of.
    pub(crate) backlog_checked: bool,
    /// Whether it has been said that the kernel may end the watcher before a worker.
    pub(crate) oom_score_told: bool,
    pub(super) inbox: mpsc::Receiver<Input>,
    /// What effects led to; handed to the supervisor before anything new is.
    pub(crate) follow_ups: VecDeque<Event>,
    pub(crate) memory: OutOfMemoryCounter,
    pub(crate) memory_limit: Option<MemoryLimit>,
    /// Whether dead children that are no workers may be left behind a worker not yet buried.
    pub(crate) orphans_wait: bool,
    pub(crate) abandoned: AbandonedThreads,
    desk: Arc<Desk>,
    pub(crate) restarts: Restarts,
    pub(super) waits: Waits,
    /// What was passed in and is not used, until it has been told.
    refused: Vec<Refused>,
    /// What workers run: their program, or this one.
    program: PathBuf,
    start: Instant,
    clock: Clock,
}

/// What ended a wait.
enum Wake {
    Input(Input),
    Commands(Commands),
    Seen(Seen),
    Timeout,
    /// Nothing has come yet, and somebody waits to be started.
    Nothing,
}

impl EventLoop {
    pub(crate) fn new(
        builder: Builder,
        open_files: Rlimit,
        pinning: Option<Pinning>,
        desk: Arc<Desk>,
        messages: Endpoint,
    ) -> io::Result<Self> {
        let (sender, inbox) = mpsc::channel(INBOX);
        let (passed, surplus) = PassedSockets::new(builder.passed);
        let mut refused = builder.refused;
        refused.extend(surplus.into_iter().map(Refused::from));
        let dispatching = Dispatching::new(builder.placement, sender.clone());
        let program = builder.workforce.program()?;
        let recruiter = builder.workforce.recruiter(|program| Spawner {
            program,
            env: builder.env,
            chdir: builder.chdir,
            open_files,
            privileges: builder.privileges.into(),
            oom_score: OomScore::above_ours(),
        });
        let seed = RandomState::new().build_hasher().finish();
        Ok(Self {
            supervisor: Supervisor::new(builder.policy, builder.workers, seed, Timestamp::ZERO),
            workers: HashMap::new(),
            recruits: Recruits::default(),
            links: Links::default(),
            ports: PortTable::new(builder.sharing, dispatching, passed)?,
            pulse: Pulse::default(),
            releases: Releases::default(),
            releasing: None,
            recruiter,
            pinning,
            program,
            failures: Failures::default(),
            sink: Arc::new(Announcer {
                sink: builder.sink,
                desk: Arc::clone(&desk),
            }),
            hooks: builder.hooks,
            rings: Rings::new(builder.log_ring, builder.log_when_full, builder.log_level),
            // Checked as the watcher was made.
            switchboard: Switchboard::new(builder.message_limit.try_into().unwrap_or(u32::MAX)),
            messages,
            sender,
            shutdown_timeout: builder.policy.drain_timeout,
            max_connections: builder.max_connections.unwrap_or(0),
            quiet_at_stop: None,
            exit: None,
            backlog_checked: false,
            oom_score_told: false,
            inbox,
            follow_ups: VecDeque::new(),
            memory: OutOfMemoryCounter::new(),
            memory_limit: builder.max_memory.map(MemoryLimit::new),
            orphans_wait: false,
            abandoned: AbandonedThreads::new(builder.exit_on_abandoned_thread),
            desk,
            restarts: Restarts::default(),
            waits: Waits::default(),
            refused,
            start: Instant::now(),
            clock: Clock::new(Instant::now()),
        })
    }

    /// Runs until the supervisor says that the cluster has ended.
    pub(crate) async fn run(mut self) -> Result<ExitReason, RunError> {
        self.tell(Notice::Started {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            workers: self.supervisor.status().slots,
            program: self.program.display().to_string(),
            threads: self.recruiter.starts_threads(),
        });
        for refused in std::mem::take(&mut self.refused) {
            self.tell(refused.into());
        }
        loop {
            self.perform_decisions();
            self.start_next();
            if let Some(reason) = self.exit {
                self.switchboard.end();
                let ran = self.start.elapsed();
                self.tell(Notice::Stopped { reason, ran });
                return match (self.abandoned.exits_for(), reason) {
                    (Some(worker), ExitReason::Stopped) => Err(RunError::ThreadAbandoned(worker)),
                    // Another reason came in between, and counts.
                    (_, reason) => Ok(reason),
                };
            }
            self.waits.answer(&self.supervisor);
            self.wait().await?;
        }
    }

    pub(super) async fn wait(&mut self) -> io::Result<()> {
        let goes_on = !self.recruits.is_empty();
        if goes_on {
            self.hear_between_starts().await;
        }
        self.arm_at_rest();
        let timeout = self.next_timeout();
        self.clock.wait_until(Instant::now(), timeout);
        let something = async {
            Ok::<_, io::Error>(tokio::select! {
                Some(input) = self.inbox.recv() => Wake::Input(input),
                commands = self.desk.take() => Wake::Commands(commands),
                seen = self.ports.seen() => Wake::Seen(seen?),
                () = sleep_until(timeout) => Wake::Timeout,
            })
        };
        let wake = tokio::select! {
            biased;
            wake = something => wake?,
            () = std::future::ready(()), if goes_on => Wake::Nothing,
        };
        self.read_clock();
        match wake {
            Wake::Input(input) => self.handle_input(input),
            Wake::Commands(commands) => self.handle_commands(commands),
            Wake::Seen(seen) => {
                self.handle_seen(&seen);
                // A worker that makes this happen without end must not keep everything else from its turn.
                tokio::task::yield_now().await;
            }
            Wake::Timeout => {
                if self.may_judge() {
                    self.hear_what_waits().await;
                }
                self.handle_timeout();
            }
            Wake::Nothing => {}
        }
        Ok(())
    }

    /// Whether a worker may be judged now, for what it has not said. To hear everybody before each look at the
    /// queues would cost as much as the look.
    fn may_judge(&self) -> bool {
        let deadline = self.supervisor.poll_timeout();
        let deadline = deadline.map(|at| self.clock.instant_of(at));
        self.pulse.is_owed() || deadline.is_some_and(|at| at <= Instant::now())
    }

    /// Says so when the watcher itself did not run for a while.
    fn read_clock(&mut self) -> Timestamp {
        let now = self.clock.read(Instant::now());
        if let Some(gap) = self.clock.take_gap() {
            self.tell(Notice::Overslept { gap });
        }
        now
    }

    /// What workers have said already counts before a deadline: when we ourselves did not run for a while,
    /// both are there at once.
    async fn hear_what_waits(&mut self) {
        let rounds = 1 + self.workers.len() / INBOX;
        for _ in 0..rounds {
            tokio::task::yield_now().await;
            for _ in 0..INBOX {
                match self.inbox.try_recv() {
                    Ok(input) => self.handle_input(input),
                    Err(_) => break,
                }
            }
        }
    }

    fn next_timeout(&self) -> Option<Instant> {
        let supervision = self.supervisor.poll_timeout();
        let supervision = supervision.map(|at| self.clock.instant_of(at));
        let impatient = self.supervisor.is_impatient();
        supervision
            .into_iter()
            .chain(impatient.then(|| Instant::now() + IMPATIENT))
            .chain(self.pulse.next_timeout())
            .chain(self.ports.next_timeout())
            .chain(self.releases.next_timeout())
            .chain(
                self.memory_limit
                    .as_ref()
                    .and_then(MemoryLimit::next_timeout),
            )
            .min()
    }

    fn handle_timeout(&mut self) {
        let now = self.read_clock();
        self.supervisor.handle_timeout(now);
        self.perform_decisions();
        let now = Instant::now();
        self.take_pulse(now);
        while let Some(port) = self.releases.pop_due(now) {
            self.close_port_now(port);
        }
        self.ports.handle_timeout(now, &mut self.links);
        self.measure_if_due();
    }

    /// Hands an event to the supervisor and performs all it decides upon it.
    pub(crate) fn feed(&mut self, event: Event) {
        let now = self.read_clock();
        self.supervisor.handle_event(now, event);
        self.perform_decisions();
    }

    /// Drains the supervisor's outputs, and those of the events that performing them led to.
    pub(super) fn perform_decisions(&mut self) {
        loop {
            while let Some(decision) = self.supervisor.poll_notice() {
                self.tell_decision(decision);
            }
            self.tell_end();
            if let Some(action) = self.supervisor.poll_action() {
                self.perform(action);
            } else if let Some(event) = self.next_follow_up() {
                let now = self.read_clock();
                self.supervisor.handle_event(now, event);
            } else {
                self.failures.forget();
                self.forget_programs();
                return;
            }
        }
    }

    /// Only the good generation and the one being rolled out get workers.
    fn forget_programs(&mut self) {
        if let Some(programs) = self.recruiter.programs()
            && programs.len() > 1
        {
            let needed = self.supervisor.generations();
            programs.keep_only(|generation| needed.contains(&Some(generation)));
        }
    }

    fn next_follow_up(&mut self) -> Option<Event> {
        for notice in self.ports.take_notices() {
            self.tell(notice);
        }
        for (worker, error) in self.links.take_failed() {
            self.break_link(worker, &error.to_string());
        }
        self.follow_ups.pop_front()
    }

    pub(super) fn handle_input(&mut self, input: Input) {
        match input {
            Input::Frame { worker, frame } => self.handle_frame(worker, frame),
            Input::LinkFailed { worker, error } => self.break_link(worker, &error.to_string()),
            Input::MessagesBroken { worker, error } => self.tell_of_broken_messages(worker, error),
            Input::Died { worker } => self.bury(worker),
            Input::EndedAfterAll { worker, ending } => self.handle_end_after_all(worker, ending),
            Input::Described { worker, threads } => self.handle_described(worker, threads),
            Input::Measured { worker, usage } => self.handle_measured(worker, usage),
            Input::Opened { key, result } => self.handle_opened(&key, result),
            Input::Dispatching(trouble) => self.handle_dispatching(trouble),
        }
    }

    /// A worker's link can't be used any more: it is closed, so that the worker drains by itself.
    pub(crate) fn break_link(&mut self, worker: WorkerId, error: &str) {
        self.links.remove(worker);
        let Some(record) = self.workers.get_mut(&worker) else {
            return;
        };
        let (slot, may_leave) = (record.slot, record.may_leave);
        record.may_leave = true;
        self.pulse.forget(worker);
        if !may_leave {
            let error = error.to_owned();
            self.tell(Notice::LinkBroken {
                worker,
                slot,
                error,
            });
        }
        self.follow_ups.push_back(Event::Leaving { worker });
    }

    pub(super) fn look_for_stopped_workers(&mut self) {
        if !child_changes::may_have_stopped() {
            return;
        }
        let mut changed = Vec::new();
        for (worker, record) in &self.workers {
            if let Some(stopped) = record.body.was_stopped() {
                changed.push((*worker, record.slot, stopped));
            }
        }
        for (worker, slot, stopped) in changed {
            self.tell(Notice::Suspended {
                worker,
                slot,
                stopped,
            });
            self.handle_stop(worker, stopped);
        }
    }

    fn tell_decision(&mut self, decision: Decision) {
        self.tell_end_or_abort(decision);
        match decision {
            Decision::WorkerReady { worker, .. } => {
                self.memory.forget();
                self.call_on_ready(worker);
            }
            Decision::ClusterReady { .. } => self.ports.unused().for_each(|it| self.tell(it)),
            _ => {}
        }
        if let Decision::BootTimedOut { worker, slot, .. } = decision
            && self
                .workers
                .get(&worker)
                .is_some_and(|record| !record.has_joined)
        {
            self.tell(Notice::NeverJoined { worker, slot });
        }
        self.describe_if_stuck(decision);
    }

    pub(crate) fn tell(&self, notice: Notice) {
        let record = |(worker, _)| Some((worker, self.workers.get(&worker)?));
        let about = notice.worker().and_then(record);
        self.tell_about(notice, about.map(|(worker, record)| record.source(worker)));
    }

    /// Tells something about a worker that need not be there any more.
    pub(super) fn tell_about(&self, notice: Notice, about: Option<Source>) {
        self.sink.write(Entry::Notice(notice, about));
    }
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
