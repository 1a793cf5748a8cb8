//! The only place where a decision of the supervisor becomes an effect.

use std::fs::Metadata;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use everport_core::{Action, DrainReason, Event, PortId};
use tokio::time::Instant;

use super::Spawning;
use super::attendant::Attendant;
use super::body::Body;
use super::event_loop::EventLoop;
use super::output::OutputCapture;
use super::spawn::SpawnError;
use super::worker::{Started, Worker};
use crate::WorkerId;
use crate::link::{FromWatcher, WatcherEnd};
use crate::log::{Notice, Source};

/// How long a port must be quiet before the last worker that accepts from it may stop, when the cluster
/// stops: a handshake over an intercontinental line is through by then.
const QUIET_AT_STOP: Duration = Duration::from_millis(250);
/// The same for a port that the newest release no longer has, where nobody waits: a lost packet of a
/// handshake has been sent again by then (after 1 s, RFC 6298), over a slow line, too.
const QUIET_AT_ROLLOUT: Duration = Duration::from_secs(3);

impl EventLoop {
    pub(crate) fn perform(&mut self, action: Action) {
        match action {
            Action::Spawn {
                worker,
                slot,
                generation,
            } => self.recruits.add(Spawning {
                worker,
                slot,
                generation,
            }),
            Action::Drain {
                worker,
                reason,
                timeout,
            } => self.drain(worker, reason, timeout),
            // Not merely suggested: a health check that never fails sends clients to a port that is about to go.
            Action::AnnounceLeaving { worker, delay } => {
                self.tell_worker(worker, FromWatcher::Announce { delay });
            }
            Action::Kill { worker } => self.kill(worker),
            Action::Steer { port, serving } => self.ports.steer(port, serving, &mut self.links),
            Action::ClosePort { port } => self.close_port(port),
            Action::CloseSlot { slot } => self.ports.retire_slot(slot, Instant::now()),
            Action::Exit { reason } => self.exit = Some(reason),
        }
    }

    pub(super) fn spawn(&mut self, recruit: Spawning) {
        let Spawning {
            worker,
            slot,
            generation,
        } = recruit;
        match self.start_worker(recruit) {
            Ok(record) => {
                let pid = record.pid_number();
                let thread = record.body.thread_name().map(str::to_owned);
                self.workers.insert(worker, record);
                if self.switchboard.arrive(worker) {
                    // Before anybody hears of the worker, and may write to it.
                    self.messages.welcome(worker);
                }
                self.tell(Notice::Spawned {
                    worker,
                    slot,
                    generation,
                    pid,
                    thread,
                });
                self.follow_ups.push_back(Event::Spawned { worker });
            }
            Err(error) => {
                let error = error.to_string();
                if let Some(programs) = self.recruiter.programs() {
                    programs.disappoint(generation);
                }
                self.failures.note_spawn_error(worker, &error);
                self.tell(Notice::SpawnFailed {
                    worker,
                    slot,
                    error,
                });
                self.follow_ups.push_back(Event::SpawnFailed { worker });
            }
        }
    }

    /// Starts the worker and everything that attends to it; when that fails, nothing stays behind.
    fn start_worker(&mut self, recruit: Spawning) -> Result<Worker, SpawnError> {
        self.ask_before_spawn(recruit)?;
        let Spawning {
            worker,
            slot,
            generation,
        } = recruit;
        let workers = &self.workers;
        let is_run = |file: &Metadata| {
            let mut same = workers.values().filter(|it| it.generation == generation);
            same.any(|worker| worker.body.runs(file))
        };
        let cpu = self.pinning.as_ref().and_then(|it| it.cpu_of(slot));
        let recruit = self.recruiter.start((worker, generation), cpu, &is_run)?;
        let source = Source {
            worker,
            slot,
            generation,
            pid: recruit.body.pid(),
        };
        if let Some(error) = &recruit.oom_score_refused {
            self.tell_of_oom_score_once(error);
        }
        let body = Arc::new(recruit.body);
        match self.attend_to(source, &body, recruit.link, recruit.output) {
            Ok((output, attendant)) => Ok(Worker::new(Started {
                slot,
                generation,
                body,
                output,
                attendant,
            })),
            Err(error) => {
                body.put_down()?;
                Err(error.into())
            }
        }
    }

    /// Without a score the kernel chooses by size alone, and workers are the larger ones: no reason to warn.
    fn tell_of_oom_score_once(&mut self, error: &io::Error) {
        if !std::mem::replace(&mut self.oom_score_told, true) {
            let error = error.to_string();
            self.tell(Notice::OomScoreRefused { error });
        }
    }

    fn attend_to(
        &mut self,
        source: Source,
        body: &Arc<Body>,
        link: WatcherEnd,
        output: Option<[OwnedFd; 2]>,
    ) -> io::Result<(Option<OutputCapture>, Attendant)> {
        let end = Arc::new(link);
        let capture = |[stdout, stderr]: [OwnedFd; 2]| {
            OutputCapture::start(source, stdout, stderr, Arc::clone(&self.sink))
        };
        let output = output.map(capture).transpose()?;
        let inbox = self.sender.clone();
        let attendant = Attendant::start(source.worker, Arc::clone(body), Arc::clone(&end), inbox);
        self.links.add(source.worker, end);
        Ok((output, attendant))
    }

    fn drain(&mut self, worker: WorkerId, reason: DrainReason, timeout: Duration) {
        let quiet = match reason {
            DrainReason::Stop => self.quiet_at_stop(),
            _ => QUIET_AT_ROLLOUT,
        };
        let empty = self.ports_to_empty(worker, reason);
        self.ports.forget_worker(worker);
        self.ports.empty(worker, &empty);
        self.pulse.forget(worker);
        self.deny_waiting_requests(worker);
        for port in self.releases.take_of(worker) {
            self.close_port_now(port);
        }
        let frame = FromWatcher::Drain {
            reason,
            timeout: workers_share(timeout),
            empty,
            quiet,
        };
        let Some(record) = self.workers.get_mut(&worker) else {
            return;
        };
        record.may_leave = true;
        if !record.has_joined {
            // It may not even know of links.
            record.body.terminate();
        }
        self.tell_worker(worker, frame);
    }

    /// Tells a worker something, as soon as it has joined.
    fn tell_worker(&mut self, worker: WorkerId, frame: FromWatcher) {
        let Some(record) = self.workers.get_mut(&worker) else {
            return;
        };
        if record.has_joined {
            self.links.send(worker, &frame, None);
        } else {
            record.held_back.push(frame);
        }
    }

    /// Keeps new connections out when the stop begins, and says how long a port is to be quiet then.
    fn quiet_at_stop(&mut self) -> Duration {
        *self.quiet_at_stop.get_or_insert_with(|| {
            if self.ports.refuse_new_connections() {
                QUIET_AT_STOP
            } else {
                // A port that clients still get in at may never be quiet.
                Duration::ZERO
            }
        })
    }

    /// The ports that nobody else will accept from: at a stop everybody's own, else those without another
    /// worker that serves them. What waits at one that was passed in is for the next who serves it.
    fn ports_to_empty(&self, worker: WorkerId, reason: DrainReason) -> Vec<PortId> {
        let Some(record) = self.workers.get(&worker) else {
            return Vec::new();
        };
        let is_last = |port: &PortId| {
            reason == DrainReason::Stop || !self.ports.is_served_without(*port, worker)
        };
        let is_ours = |port: &PortId| !self.ports.outlives_us(*port);
        record.ports().filter(is_last).filter(is_ours).collect()
    }

    fn kill(&mut self, worker: WorkerId) {
        if self.recruits.remove(worker) {
            // It will never be there, which is all that its death could have led to.
            self.follow_ups.push_back(Event::SpawnFailed { worker });
            return;
        }
        if let Some(record) = self.workers.get_mut(&worker) {
            record.was_killed = true;
            record.may_leave = true;
            if !record.is_being_described {
                self.end(worker);
            }
        }
    }

    /// Ends a worker that is to be killed.
    pub(super) fn end(&self, worker: WorkerId) {
        if let Some(record) = self.workers.get(&worker)
            && let Err(error) = record.body.kill()
        {
            let error = error.to_string();
            self.tell(Notice::KillFailed {
                worker,
                slot: record.slot,
                error,
            });
        }
    }

    /// A port that the last worker has just given back is closed once that worker has outlived this.
    fn close_port(&mut self, port: PortId) {
        match self.releasing {
            Some(worker) => self.releases.add(worker, port, Instant::now()),
            None => self.close_port_now(port),
        }
    }

    pub(super) fn close_port_now(&mut self, port: PortId) {
        if let Some(closed) = self.ports.close(port, Instant::now()) {
            self.tell(closed);
        }
    }
}

/// How much of a drain's time the worker is told of. The rest is for what it does at that deadline: its hooks
/// run, and it reports what it had to cut.
pub(super) fn workers_share(timeout: Duration) -> Duration {
    const HOOKS: Duration = Duration::from_secs(1);
    timeout.saturating_sub(HOOKS).max(timeout / 2)
}
