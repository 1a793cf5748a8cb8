//! How many slots there should be.

use super::slot::Slot;
use super::timers::Timer;
use super::{Phase, Supervisor};
use crate::{Action, Notice, SlotId};

const MOST_WORKERS: u32 = 65_536; // twice the processes a Linux system allows by default

impl Supervisor {
    pub(super) fn on_scale(&mut self, workers: u32) {
        if self.phase != Phase::Running {
            return;
        }
        let from = self.wanted;
        self.want_slots(workers);
        let to = self.wanted;
        if from != to {
            self.notices.push_back(Notice::Scaled { from, to });
        }
    }

    /// A slot that is still on its way out when it is wanted again just goes on.
    pub(super) fn want_slots(&mut self, workers: u32) {
        self.wanted = workers.clamp(1, MOST_WORKERS);
        for id in 0..self.wanted {
            self.slots.entry(SlotId(id)).or_default();
        }
    }

    pub(super) fn close_removed_slots(&mut self) {
        let first_removed = SlotId(self.wanted);
        let (actions, timers) = (&mut self.actions, &mut self.timers);
        self.slots.retain(|id, slot: &mut Slot| {
            let over = *id >= first_removed && slot.is_empty();
            if over {
                timers.clear(Timer::Retry(*id));
                actions.push_back(Action::CloseSlot { slot: *id });
            }
            !over
        });
    }
}
