//! One subject on its way through all trials.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use everport_load::Load;

use super::trial::{RATE, Trial};
use crate::absent::failure;
use crate::phase::{Phase, Round};
use crate::subject::{Kind, Subject};

/// A subject, and what was measured of it.
pub(super) struct Contestant {
    pub(super) kind: Kind,
    pub(super) trials: BTreeMap<Trial, Phase>,
    /// What it failed in, and how: it does not go through that again.
    failed: BTreeMap<Trial, String>,
}

impl Contestant {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            trials: BTreeMap::new(),
            failed: BTreeMap::new(),
        }
    }

    /// One round of all trials that can be made. What fails with other people's takes only itself with it.
    pub(super) fn measure(&mut self, workers: u32, seconds: Duration) -> anyhow::Result<()> {
        let mut running = None;
        for trial in Trial::ALL {
            if self.why_not(trial).is_some() {
                continue;
            }
            match self.go_through(trial, &mut running, workers, seconds) {
                Ok(round) => self.trials.entry(trial).or_default().rounds.push(round),
                Err(error) if self.kind.is_ours() => return Err(error),
                Err(error) => {
                    let why = failure(self.kind.name(), &error);
                    self.failed.insert(trial, why);
                }
            }
        }
        Ok(())
    }

    /// Why it has not gone through a trial, or not in all rounds.
    pub(super) fn why_not(&self, trial: Trial) -> Option<&str> {
        let failed = self.failed.get(&trial).map(String::as_str);
        trial.impossible_for(self.kind).or(failed)
    }

    /// One trial of what runs, if that is well, and else of one that is started for it. One that has failed does not run on.
    fn go_through(
        &self,
        trial: Trial,
        running: &mut Option<Running>,
        workers: u32,
        seconds: Duration,
    ) -> anyhow::Result<Round> {
        let kind = self.kind;
        let subject = match running.take().filter(Running::is_well) {
            Some(subject) => subject,
            None => Running::start(kind, workers).with_context(|| format!("{kind}, {trial}"))?,
        };
        let round = trial.run(subject.subject.as_ref(), seconds);
        let round = round.with_context(|| format!("{kind}, {trial}"))?;
        *running = Some(subject);
        Ok(round)
    }
}

/// A subject that serves.
struct Running {
    subject: Box<dyn Subject>,
    /// How many workers it has when all are there.
    complete: usize,
}

impl Running {
    /// Starts it, and has it answer for a moment: the first requests of a process are the slowest.
    fn start(kind: Kind, workers: u32) -> anyhow::Result<Self> {
        let subject = kind.start(workers)?;
        let load = Load::new(subject.address()).rate(f64::from(RATE));
        let load = load.clients(WARM_UP_CLIENTS).duration(WARM_UP);
        drop(load.start()?.wait());
        let complete = subject.workers().len();
        Ok(Self { subject, complete })
    }

    /// Whether all of its workers are there again after what was done to them; one that has not recovered is no match for
    /// the next trial.
    fn is_well(&self) -> bool {
        let deadline = Instant::now() + RECOVERY;
        while self.subject.workers().len() != self.complete {
            if Instant::now() > deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(50));
        }
        true
    }
}

/// Long enough for every worker to answer a few dozen requests.
const WARM_UP: Duration = Duration::from_millis(300);
const WARM_UP_CLIENTS: usize = 32;
/// More than any of them takes to replace a worker.
const RECOVERY: Duration = Duration::from_secs(10);
