//! What notices mean for the service manager: whether the cluster is up, reloading or stopping, and for how long it
//! may go on so.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sd_notify::NotifyState;

use super::status_line::{self, Course, Trouble};
use crate::log::Notice;
use crate::watcher::{Builder, Decision, ExitReason, Status};
use crate::{Generation, SlotId};

/// What of the cluster's limits decides how long it may take to come up, to be replaced and to stop.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Limits {
    boot: Duration,
    settle: Duration,
    drain: Duration,
}

/// What is left of messages that a service manager does not read; older ones are overtaken by then.
const MOST_WAITING: usize = 32;

/// So many attempts in a row that came to nothing are no accident.
const FAILURES_OF_NO_ACCIDENT: u32 = 3;

/// Added to every limit: deaths have to be noticed and reported, too.
const MARGIN: Duration = Duration::from_secs(5);

/// The cluster as the service manager is to see it.
#[derive(Debug)]
pub(super) struct Situation {
    limits: Limits,
    course: Course,
    /// Whether it has come up once.
    is_up: bool,
    /// Whether a restart was asked for that begins when the present rollout is over.
    another_follows: bool,
    /// The slots that have no ready worker, and will hardly have one soon.
    failing: BTreeMap<SlotId, Trouble>,
    /// The generation that was last given up, if it was the newest.
    given_up: Option<Generation>,
    steps: Vec<Step>,
    /// What the service manager has to wait for from now on, if it is to be told.
    patience: Option<Duration>,
    told_status: String,
    waiting: VecDeque<Message>,
    /// How many notices meant something.
    noted: u64,
}

/// What the service manager acts upon. Each is a message of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Ready,
    /// With the time at which it began, by which a service manager tells this reload from an earlier one.
    Reloading {
        since: String,
    },
    Stopping,
}

#[derive(Debug)]
struct Message {
    text: String,
    step: Option<Step>,
    patience: Option<Duration>,
}

impl Limits {
    pub(in crate::cli) fn of(builder: &Builder) -> Self {
        Self {
            boot: builder.policy.boot_timeout,
            settle: builder.policy.settle,
            drain: builder.policy.drain_timeout,
        }
    }
}

impl Situation {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            course: Course::Starting,
            is_up: false,
            another_follows: false,
            failing: BTreeMap::new(),
            given_up: None,
            steps: Vec::new(),
            patience: None,
            told_status: String::new(),
            waiting: VecDeque::new(),
            noted: 0,
        }
    }

    /// Takes note of what happened. Says whether there may be something to tell.
    pub(super) fn note(&mut self, notice: &Notice) -> bool {
        match notice {
            Notice::Supervisor(decision) => self.note_decision(*decision),
            Notice::Started { .. } => self.ask_for(self.limits.boot),
            Notice::RolloutAborted(aborted) => self.note_abort(aborted.generation),
            Notice::Ended { expected, .. } => self.note_end(*expected),
            Notice::Suspended { .. } => {}
            _ => return false,
        }
        self.noted += 1;
        true
    }

    /// Changes whenever something was noted.
    pub(super) fn noted(&self) -> u64 {
        self.noted
    }

    fn note_decision(&mut self, decision: Decision) {
        match decision {
            Decision::WorkerReady { slot, .. } => {
                self.failing.remove(&slot);
                self.note_progress();
            }
            Decision::ClusterReady { .. } => self.come_up(),
            Decision::CrashLooping { slot, .. } => {
                self.failing.insert(slot, Trouble::CrashLooping);
            }
            Decision::BootTimedOut { slot, .. } => self.note_failure(slot),
            Decision::BackingOff { slot, failures, .. } if failures >= FAILURES_OF_NO_ACCIDENT => {
                self.note_failure(slot);
            }
            Decision::RolloutStarted { generation, .. } => {
                self.another_follows = false;
                self.given_up = None;
                self.turn_to(Course::RollingOut(generation));
                self.reload();
            }
            Decision::RestartCoalesced => {
                self.another_follows = true;
                self.reload();
            }
            Decision::RolloutFinished { .. } => self.end_reload(),
            Decision::RolledBack { .. } => self.turn_to(Course::Running),
            Decision::Scaled { to, .. } => self.failing.retain(|slot, _| slot.0 < to),
            Decision::Leaving { delay } => {
                self.stop(Course::Leaving);
                self.ask_for(delay + self.limits.drain);
            }
            Decision::Stopping { reason } => {
                self.stop(Course::Stopping(reason));
                self.ask_for(match reason {
                    ExitReason::Stopped | ExitReason::CrashLoop => self.limits.drain,
                    ExitReason::Forced | ExitReason::NeverReady => Duration::ZERO,
                });
            }
            // What they change is seen when the cluster is looked at. No restart is refused before a stop.
            _ => {}
        }
    }

    /// Every slot has a ready worker, or will have none for a long time.
    fn come_up(&mut self) {
        if !self.is_up && !self.is_stopping() {
            self.is_up = true;
            if self.course == Course::Starting {
                self.course = Course::Running;
            }
            self.steps.push(Step::Ready);
        }
    }

    /// The slot is not to be waited for. That it is crash-looping says more.
    fn note_failure(&mut self, slot: SlotId) {
        self.failing.entry(slot).or_insert(Trouble::NotComingUp);
    }

    /// At a start the next attempt may take as long as the one that has failed. How many there are is limited.
    fn note_end(&mut self, was_expected: bool) {
        if self.course == Course::Starting && !was_expected {
            self.note_progress();
        }
    }

    /// A rollout begins, or one was asked for that will: whoever did so by way of the service manager waits for it
    /// to be told.
    fn reload(&mut self) {
        if self.is_up && !self.is_stopping() {
            let now = NotifyState::monotonic_usec_now().map(|state| state.to_string());
            let since = now.unwrap_or_default();
            self.steps.push(Step::Reloading { since });
            self.note_progress();
        }
    }

    /// The old generation stays: the service runs, and the reload has come to nothing. The way back may take long, so
    /// nobody waits for that.
    fn note_abort(&mut self, generation: Generation) {
        self.end_reload();
        self.turn_to(Course::GoingBack);
        self.given_up = Some(generation);
    }

    fn end_reload(&mut self) {
        self.turn_to(Course::Running);
        if self.is_up && !self.another_follows && !self.is_stopping() {
            self.steps.push(Step::Ready);
        }
    }

    /// From a stop there is no way back.
    fn turn_to(&mut self, course: Course) {
        if !self.is_stopping() {
            self.course = course;
        }
    }

    fn stop(&mut self, course: Course) {
        if !self.is_stopping() {
            self.steps.push(Step::Stopping);
        }
        self.course = course;
    }

    fn is_stopping(&self) -> bool {
        matches!(self.course, Course::Leaving | Course::Stopping(_))
    }

    /// The next worker may take this long, and during a rollout its predecessor may drain for so long before.
    fn note_progress(&mut self) {
        let Limits {
            boot,
            settle,
            drain,
        } = self.limits;
        match self.course {
            Course::Starting => self.ask_for(boot),
            Course::RollingOut(_) => self.ask_for(boot + settle + drain),
            _ => {}
        }
    }

    fn ask_for(&mut self, time: Duration) {
        self.patience = Some(time + MARGIN);
    }

    /// Makes messages of what there is to tell, with a look at the cluster, unless that has ended.
    pub(super) fn look(&mut self, status: Option<&Status>) {
        if let Some(status) = status {
            self.forget_failures_that_cost_nothing(status);
        }
        if let Some(status) = status
            && self.is_as_ready_as_it_gets(status)
        {
            self.come_up();
        }
        let mut steps = std::mem::take(&mut self.steps).into_iter().peekable();
        while let Some(step) = steps.next() {
            let mut text = step.to_string();
            let mut patience = None;
            if steps.peek().is_none() {
                patience = self.patience;
                text += &self.accompaniment(status);
            }
            let step = Some(step);
            self.post(Message {
                text,
                step,
                patience,
            });
        }
        let patience = self.patience;
        let text = self.accompaniment(status);
        if !text.is_empty() {
            let step = None;
            self.post(Message {
                text,
                step,
                patience,
            });
        }
    }

    /// Where a successor failed to come up, the old worker serves on.
    fn forget_failures_that_cost_nothing(&mut self, status: &Status) {
        let ready = status_line::ready_slots(status);
        self.failing.retain(|slot, trouble| match trouble {
            Trouble::NotComingUp => !ready.contains(slot),
            Trouble::CrashLooping => true,
        });
    }

    /// Nobody was there to read the messages. What the service manager acts upon is told it with the next look, as far
    /// as that is still how things are, and the rest as it is then.
    pub(super) fn keep_for_later(&mut self) {
        self.told_status.clear();
        let newer = std::mem::take(&mut self.steps);
        let mut steps = Vec::new();
        for message in std::mem::take(&mut self.waiting) {
            self.patience = self.patience.or(message.patience);
            message
                .step
                .into_iter()
                .for_each(|step| supersede(&mut steps, step));
        }
        newer
            .into_iter()
            .for_each(|step| supersede(&mut steps, step));
        self.steps = steps;
    }

    /// Whether there is something to tell that the service manager acts upon.
    pub(super) fn has_steps(&self) -> bool {
        !self.steps.is_empty()
    }

    /// A slot that does not come up must not keep the service manager from seeing that the others serve: it would end
    /// them as having failed to start.
    fn is_as_ready_as_it_gets(&self, status: &Status) -> bool {
        let ready = status_line::ready_slots(status);
        let is_over = |slot| ready.contains(&slot) || self.failing.contains_key(&slot);
        !ready.is_empty() && (0..status.slots).map(SlotId).all(is_over)
    }

    /// The status line, if it has changed, and how long to wait, if that is to be told.
    fn accompaniment(&mut self, status: Option<&Status>) -> String {
        let mut text = String::new();
        let line = status_line::compose(self.course, status, &self.failing, self.given_up);
        if let Some(line) = line.filter(|line| *line != self.told_status) {
            text += &format!("{}\n", NotifyState::Status(&line));
            self.told_status = line;
        }
        if let Some(time) = self.patience.take() {
            text += &format!("EXTEND_TIMEOUT_USEC={}\n", time.as_micros());
        }
        text
    }

    fn post(&mut self, message: Message) {
        if message.step.is_none() && self.waiting.back().is_some_and(|last| last.step.is_none()) {
            self.waiting.pop_back();
        }
        if self.waiting.len() == MOST_WAITING {
            self.waiting.pop_front();
        }
        self.waiting.push_back(message);
    }

    /// The message that is to be sent next.
    pub(super) fn next_message(&self) -> Option<String> {
        self.waiting.front().map(|message| message.text.clone())
    }

    /// It was sent.
    pub(super) fn note_sent(&mut self, text: &str) {
        // Another one may have taken its place meanwhile.
        if self.waiting.front().is_some_and(|first| first.text == text) {
            self.waiting.pop_front();
        }
    }
}

/// Adds a step to those that nobody has read yet, and drops what it ends. At most three stay: that the service is up, that
/// it reloads, and that this is over; whoever asked for a reload waits for both.
fn supersede(steps: &mut Vec<Step>, step: Step) {
    match (&step, steps.as_slice()) {
        (Step::Stopping, _) => steps.clear(),
        (Step::Reloading { .. }, [.., Step::Reloading { .. }, Step::Ready]) => {
            steps.truncate(steps.len() - 2);
        }
        (Step::Reloading { .. }, [.., Step::Reloading { .. }])
        | (Step::Ready, [.., Step::Ready]) => {
            steps.pop();
        }
        _ => {}
    }
    steps.push(step);
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ready => writeln!(f, "{}", NotifyState::Ready),
            Self::Reloading { since } => writeln!(f, "{}\n{since}", NotifyState::Reloading),
            Self::Stopping => writeln!(f, "{}", NotifyState::Stopping),
        }
    }
}

#[cfg(test)]
#[path = "situation_tests.rs"]
mod tests;
