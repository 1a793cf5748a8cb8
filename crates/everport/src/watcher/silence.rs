//! Workers that do not answer: when they are asked, and what follows.

use everport_core::Event;
use tokio::time::Instant;

use super::event_loop::EventLoop;
use super::ports::Seen;
use crate::link::FromWatcher;
use crate::log::Notice;
use crate::{SlotId, WorkerId};

impl EventLoop {
    /// A socket was shut down, or a connection has come: then the queues are looked at until it is quiet again.
    pub(super) fn handle_seen(&mut self, seen: &Seen) {
        if !seen.shut.is_empty() {
            self.mend_ports(&seen.shut);
        }
        if seen.has_connection && self.pulse.is_at_rest() {
            self.ports.disarm();
            self.pulse.begin(Instant::now());
        }
    }

    /// At rest the next connection is to be told of.
    pub(super) fn arm_at_rest(&mut self) {
        if self.pulse.is_at_rest() && self.ports.arming_is_due() {
            let pulse = &self.pulse;
            self.ports.arm(|worker| pulse.is_well(worker));
        }
    }

    /// Looks at the queues if it is time to, and finds those who do not answer.
    pub(super) fn take_pulse(&mut self, now: Instant) {
        if self.pulse.must_look(now) {
            let Self {
                pulse,
                ports,
                links,
                ..
            } = self;
            let look = ports.look(|worker| pulse.is_well(worker), links);
            let silent = pulse.look(now, &look, |worker, beat| {
                links.suggest(worker, &FromWatcher::Beat { beat }, None)
            });
            if pulse.is_at_rest() {
                ports.arm_soon();
            }
            for worker in silent {
                self.feed(Event::Silent { worker });
            }
        }
        for (worker, lasts) in self.pulse.take_news(now) {
            let Some(slot) = self.workers.get(&worker).map(|record| record.slot) else {
                continue;
            };
            self.tell(Notice::Silent {
                worker,
                slot,
                lasts,
            });
        }
    }

    /// A worker has answered a beat.
    pub(super) fn hear(&mut self, worker: WorkerId, slot: SlotId, beat: u32) {
        let Some(silence) = self.pulse.answered(worker, beat) else {
            return;
        };
        self.tell(Notice::Heard {
            worker,
            slot,
            lasted: silence.since.elapsed(),
        });
        self.ports.arm_soon();
        self.tell_log_level();
        self.feed(Event::Heard { worker });
    }

    /// A worker was stopped by a signal, or runs again.
    pub(super) fn handle_stop(&mut self, worker: WorkerId, is_stopped: bool) {
        self.ports.arm_soon();
        if is_stopped {
            self.pulse.suspended(worker);
            self.feed(Event::Suspended { worker });
        } else {
            self.pulse.resumed(worker, Instant::now());
            self.tell_log_level();
            self.feed(Event::Resumed { worker });
        }
    }
}
