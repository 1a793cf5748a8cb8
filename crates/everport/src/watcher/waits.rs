//! Those who wait until the cluster is as they want it.

use everport_core::Supervisor;
use tokio::sync::oneshot;

/// Somebody who waits.
pub(crate) type Asker = oneshot::Sender<()>;

/// Those who wait, by what for.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// Until every slot has a worker that serves.
    pub(crate) ready: Vec<Asker>,
    /// Until nothing is under way any more.
    pub(crate) at_rest: Vec<Asker>,
}

impl Waits {
    /// Adds those of another one. Who has gone is forgotten.
    pub(crate) fn add(&mut self, others: Self) {
        for (mine, theirs) in [
            (&mut self.ready, others.ready),
            (&mut self.at_rest, others.at_rest),
        ] {
            if !theirs.is_empty() {
                mine.retain(|asker| !asker.is_closed());
                mine.extend(theirs);
            }
        }
    }

    /// Answers those who have what they wait for. Costs nothing as long as nobody waits.
    pub(crate) fn answer(&mut self, supervisor: &Supervisor) {
        if !self.ready.is_empty() && supervisor.is_ready() {
            answer(&mut self.ready);
        }
        if !self.at_rest.is_empty() && supervisor.pending().is_none() {
            answer(&mut self.at_rest);
        }
    }
}

fn answer(askers: &mut Vec<Asker>) {
    for asker in askers.drain(..) {
        // Somebody who has gone does not need the answer.
        let _gone = asker.send(());
    }
}
