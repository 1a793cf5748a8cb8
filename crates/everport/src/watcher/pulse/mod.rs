//! Whether workers answer: who gets a beat when, and who counts as silent.
//!
//! Decides only: the loop looks at the queues, sends the beats and brings the answers.

mod condition;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use self::condition::Condition;
pub(crate) use self::condition::Silence;
use crate::WorkerId;

/// How often the queues are looked at while connections come in. With the time for an answer it is how long a
/// connection waits for a worker that hangs.
const BETWEEN_LOOKS: Duration = Duration::from_millis(15);
/// How long a worker may take to answer while a connection waits for it. One with little to do takes less than
/// a millisecond.
const ANSWER_WITHIN: Duration = Duration::from_millis(20);
/// How long it may take when nobody waits, or when the others take as long: then nothing is gained by preferring
/// those.
const ANSWER_AT_ALL: Duration = Duration::from_secs(1);
/// How often each worker gets a beat while connections come in, for the sake of its kept connections.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(500);
/// How long the queues must have been found empty before they are left alone.
const QUIET: Duration = Duration::from_secs(2);
/// By how much a look may be late before the workers are excused for being so as well.
const LATE: Duration = Duration::from_millis(5);
/// How long a silence lasts before it is worth a line in the log; a worker that is only busy is heard before.
const NOTEWORTHY: Duration = Duration::from_secs(1);

/// What is known about the workers' answers.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// `None` at rest.
    phase: Option<Phase>,
    workers: BTreeMap<WorkerId, Condition>,
    last_number: u32,
}

/// A time in which connections come in.
#[derive(Debug)]
struct Phase {
    next_look: Instant,
    next_round: Instant,
    ends: Instant,
}

/// What a look at the queues has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// The workers that should have accepted a connection that waits.
    pub(crate) awaited: BTreeSet<WorkerId>,
    /// All workers that are to serve.
    pub(crate) serving: BTreeSet<WorkerId>,
}

impl Pulse {
    /// Whether nothing is looked at until the next connection comes.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.phase.is_none()
    }

    /// A connection has come: the queues are to be looked at from now on.
    pub(crate) fn begin(&mut self, now: Instant) {
        self.phase.get_or_insert(Phase {
            next_look: now,
            next_round: now + BETWEEN_ROUNDS,
            ends: now + QUIET,
        });
    }

    /// When to look, or to tell of a silence.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let look = self.phase.as_ref().map(|phase| phase.next_look);
        let news = self.workers.values().filter_map(Condition::news_at);
        look.into_iter().chain(news).min()
    }

    /// Whether it is time to look at the queues.
    pub(crate) fn must_look(&self, now: Instant) -> bool {
        let is_due = |phase: &Phase| now >= phase.next_look;
        self.phase.as_ref().is_some_and(is_due)
    }

    /// Whether an answer is expected.
    pub(crate) fn is_owed(&self) -> bool {
        let mut owing = self.workers.values().filter_map(Condition::owes_since);
        owing.next().is_some()
    }

    /// Sends beats to those who seem not to accept, and returns those that have fallen silent. `send` says
    /// whether it could.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        look: &Look,
        mut send: impl FnMut(WorkerId, u32) -> bool,
    ) -> Vec<WorkerId> {
        let Some(phase) = &mut self.phase else {
            return Vec::new();
        };
        let late = now.saturating_duration_since(phase.next_look);
        let is_round = now >= phase.next_round;
        if is_round {
            phase.next_round = now + BETWEEN_ROUNDS;
        }
        if !look.awaited.is_empty() {
            phase.ends = now + QUIET;
        }
        let is_over = now >= phase.ends;
        if late > LATE {
            self.excuse(late);
        }
        let silent = self.find_silent(now, look);
        if !is_over {
            let suspects = if is_round {
                &look.serving
            } else {
                &look.awaited
            };
            self.send_beats(now, suspects, &mut send);
        }
        self.plan(now, is_over);
        silent
    }

    /// The worker has answered a beat. Returns the silence that this ends. An answer that nobody waits for any
    /// more, or never did, means nothing.
    pub(crate) fn answered(&mut self, worker: WorkerId, number: u32) -> Option<Silence> {
        self.workers.get_mut(&worker)?.answered(number)
    }

    /// Whether nothing is known that would keep the worker from accepting.
    pub(crate) fn is_well(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_none_or(Condition::is_well)
    }

    /// The worker does not run, so it can't be expected to answer.
    pub(crate) fn suspended(&mut self, worker: WorkerId) {
        self.workers.entry(worker).or_default().suspended();
    }

    /// Whether it is known not to run.
    pub(crate) fn is_suspended(&self, worker: WorkerId) -> bool {
        let condition = self.workers.get(&worker);
        condition.is_some_and(|condition| condition.is_suspended)
    }

    /// It runs again.
    pub(crate) fn resumed(&mut self, worker: WorkerId, now: Instant) {
        if let Some(condition) = self.workers.get_mut(&worker) {
            condition.resumed(now);
        }
    }

    /// The worker drains or is dead: nobody waits for its answer.
    pub(crate) fn forget(&mut self, worker: WorkerId) {
        self.workers.remove(&worker);
    }

    /// Who is silent and for how long, said when a silence has begun and when it lasts.
    pub(crate) fn take_news(&mut self, now: Instant) -> Vec<(WorkerId, Duration)> {
        let news = |(worker, condition): (&WorkerId, &mut Condition)| {
            Some((*worker, condition.take_news(now)?))
        };
        self.workers.iter_mut().filter_map(news).collect()
    }

    /// The watcher itself did not run for this long, so that answers may have come and nobody has heard them.
    fn excuse(&mut self, late: Duration) {
        for condition in self.workers.values_mut() {
            condition.excuse(late);
        }
    }

    fn find_silent(&mut self, now: Instant, look: &Look) -> Vec<WorkerId> {
        let is_overdue = |condition: &Condition| condition.owes_for(now) >= Some(ANSWER_WITHIN);
        let others_answer = look.serving.iter().any(|worker| {
            let condition = self.workers.get(worker);
            condition.is_none_or(|condition| condition.is_well() && !is_overdue(condition))
        });
        let mut silent = Vec::new();
        for (worker, condition) in &mut self.workers {
            let is_awaited = others_answer && look.awaited.contains(worker);
            let limit = if is_awaited {
                ANSWER_WITHIN
            } else {
                ANSWER_AT_ALL
            };
            if condition.is_well() && condition.owes_for(now) >= Some(limit) {
                condition.fall_silent();
                silent.push(*worker);
            }
        }
        silent
    }

    fn send_beats(
        &mut self,
        now: Instant,
        workers: &BTreeSet<WorkerId>,
        send: &mut impl FnMut(WorkerId, u32) -> bool,
    ) {
        for worker in workers {
            let condition = self.workers.entry(*worker).or_default();
            let number = self.last_number.wrapping_add(1);
            if condition.may_get_beat() && send(*worker, number) {
                self.last_number = number;
                condition.beat(number, now);
            }
        }
    }

    /// Plans the next look, unless the queues were empty for long enough and nobody owes an answer.
    fn plan(&mut self, now: Instant, is_over: bool) {
        let owing = self.workers.values().filter_map(Condition::owes_since);
        let deadline = owing.map(|sent| sent + ANSWER_WITHIN);
        let next = deadline.filter(|deadline| *deadline > now).min();
        if is_over && !self.is_owed() {
            self.phase = None;
        } else if let Some(phase) = &mut self.phase {
            let regular = now + BETWEEN_LOOKS;
            phase.next_look = next.map_or(regular, |deadline| deadline.min(regular));
        }
    }
}
