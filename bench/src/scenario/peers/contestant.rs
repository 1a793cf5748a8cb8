//! One subject on its way through all trials.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use everport_load::Load;

use super::trial::{RATE, Trial};
use crate::phase::Phase;
use crate::subject::{Kind, Subject};

/// A subject, and what was measured of it.
pub(super) struct Contestant {
    pub(super) kind: Kind,
    pub(super) trials: BTreeMap<Trial, Phase>,
}

impl Contestant {
    pub(super) fn new(kind: Kind) -> Self {
        Self {
            kind,
            trials: BTreeMap::new(),
        }
    }

    /// One round of all trials that can be made.
    pub(super) fn measure(&mut self, workers: u32, seconds: Duration) -> anyhow::Result<()> {
        let kind = self.kind;
        let mut subject = start(kind, workers)?;
        let complete = subject.workers().len();
        for trial in Trial::ALL {
            if trial.impossible_for(kind).is_some() {
                continue;
            }
            if !is_well(subject.as_ref(), complete) {
                drop(subject);
                subject = start(kind, workers)?;
            }
            let round = trial.run(subject.as_ref(), seconds);
            let round = round.with_context(|| format!("{kind}, {trial}"))?;
            self.trials.entry(trial).or_default().rounds.push(round);
        }
        Ok(())
    }
}

/// Starts it, and has it answer for a moment: the first requests of a process are the slowest.
fn start(kind: Kind, workers: u32) -> anyhow::Result<Box<dyn Subject>> {
    let subject = kind.start(workers)?;
    let load = Load::new(subject.address()).rate(f64::from(RATE));
    let load = load.clients(WARM_UP_CLIENTS).duration(WARM_UP);
    drop(load.start()?.wait());
    Ok(subject)
}

/// Whether all of its workers are there again after what was done to them; one that has not recovered is no match for the
/// next trial.
fn is_well(subject: &dyn Subject, complete: usize) -> bool {
    let deadline = Instant::now() + RECOVERY;
    while subject.workers().len() != complete {
        if Instant::now() > deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(50));
    }
    true
}

/// Long enough for every worker to answer a few dozen requests.
const WARM_UP: Duration = Duration::from_millis(300);
const WARM_UP_CLIENTS: usize = 32;
/// More than any of them takes to replace a worker.
const RECOVERY: Duration = Duration::from_secs(10);
