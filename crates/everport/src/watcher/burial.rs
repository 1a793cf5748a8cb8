//! What follows a worker's death: it is reaped, what waited for it is rescued, and its end is reported.

use std::sync::Arc;

use everport_core::{Event, Exit};
use tokio::time::Instant;

use super::event_loop::EventLoop;
use super::input::Input;
use super::orphans;
use super::output::OutputCapture;
use super::worker::Worker;
use crate::log::{Ending, Notice, ThreadEnding};
use crate::{SlotId, WorkerId};

/// How many workers are asked to rescue what waits, because one could be about to stop.
const RESCUERS: usize = 2;

impl EventLoop {
    /// Reaps dead children that are no workers. A dead worker in front of them has its attendant, who still
    /// passes on what it said last: once that one is buried, this goes on.
    pub(super) fn reap_orphans(&mut self) {
        while let Ok(Some(pid)) = orphans::dead_child() {
            let is_it = |record: &Worker| record.body.is_child(pid);
            self.orphans_wait = self.workers.values().any(is_it);
            if self.orphans_wait {
                return;
            }
            orphans::reap(pid);
        }
    }

    /// Reaps a dead worker, reports how it ended and lets the supervisor know; at once, or when its records are taken.
    pub(super) fn bury(&mut self, worker: WorkerId) {
        if self.begins_to_take_records(worker) {
            return;
        }
        let Some(record) = self.workers.get(&worker) else {
            return;
        };
        let mut ending = record.body.reap();
        if ending.signal == Some(libc::SIGKILL) && !record.was_killed {
            ending.out_of_memory = self.memory.explains();
        }
        let exit = if ending.is_success() {
            Exit::Success
        } else {
            Exit::Failure
        };
        self.links.remove(worker);
        self.switchboard.finish(worker);
        self.releases.postpone(worker, Instant::now());
        self.ports.forget_worker(worker);
        self.ports.release_all(worker);
        self.pulse.forget(worker);
        if let Some(record) = self.workers.remove(&worker) {
            if let Some(programs) = self.recruiter.programs() {
                programs.disappoint(record.generation);
            }
            // One that has left by itself has emptied its ports.
            if self.quiet_at_stop.is_some() && !record.session.has_left() {
                self.rescue_at_stop(record.slot);
            }
            let whose = record.source(worker);
            let still_runs = ending.thread == Some(ThreadEnding::Abandoned);
            let abandoned = still_runs.then(|| Arc::clone(&record.body));
            let end = end_of(worker, record, ending);
            self.failures.note_end(end, whose);
            if let Some(body) = abandoned {
                self.tell_end();
                self.note_abandoned(whose, body);
            }
        }
        self.feed(Event::Exited { worker, exit });
        if self.orphans_wait {
            self.reap_orphans();
        }
    }

    /// If a dead worker has left a lot of records, has a task take them and tell of the death again. Whether it has.
    fn begins_to_take_records(&mut self, worker: WorkerId) -> bool {
        let record = self.workers.get(&worker);
        let Some(records) = record.and_then(|it| it.records.as_ref()) else {
            return false;
        };
        if !records.has_much() {
            return false;
        }
        let (turns, inbox) = (records.take_last_turns(), self.sender.clone());
        tokio::spawn(async move {
            turns.await;
            // The loop is gone when it takes nothing any more: then nobody is to be buried.
            let _loop_is_gone = inbox.send(Input::Died { worker }).await;
        });
        true
    }

    fn rescue_at_stop(&mut self, slot: SlotId) {
        let workers = &self.workers;
        let rescuers = |port| {
            let accepts =
                |record: &Worker| record.has_joined && record.ports().any(|id| id == port);
            let others = workers.iter().filter(|(_, record)| {
                record.slot != slot && !record.session.has_left() && accepts(record)
            });
            others.map(|(worker, _)| *worker).take(RESCUERS).collect()
        };
        self.ports.rescue_at_stop(slot, rescuers, &mut self.links);
    }
}

fn end_of(worker: WorkerId, record: Worker, ending: Ending) -> Notice {
    let pid = record.pid_number();
    let mut last_lines = record.output.map_or_else(Vec::new, OutputCapture::finish);
    if let Some(records) = record.records {
        last_lines.extend(records.finish());
    }
    last_lines.extend(record.body.last_words());
    Notice::Ended {
        worker,
        slot: record.slot,
        pid,
        ending,
        expected: record.may_leave,
        last_lines: if record.may_leave {
            Vec::new()
        } else {
            last_lines
        },
    }
}
