//! What the application asks of the loop: commands, and questions.

use everport_core::Event;

use super::Status;
use super::event_loop::EventLoop;
use super::handle::Commands;

impl EventLoop {
    pub(super) fn handle_commands(&mut self, commands: Commands) {
        if commands.force_stop {
            self.feed(Event::ForceStop);
        }
        if commands.stop {
            self.feed(Event::Stop);
        }
        if let Some(workers) = scaled(
            commands.scale,
            commands.scale_by,
            self.supervisor.status().slots,
        ) {
            self.feed(Event::Scale { workers });
        }
        if commands.restart {
            self.restarts.ask(commands.restart_askers);
            self.feed(Event::Restart);
        }
        if let Some(level) = commands.log_level {
            self.set_log_level(level);
        }
        if commands.children_changed {
            self.look_for_stopped_workers();
        }
        if commands.open_messages {
            self.attach_application();
        }
        if commands.reap_orphans {
            self.reap_orphans();
        }
        for asker in commands.status {
            // An asker that has gone does not need the answer.
            let _gone = asker.send(self.status());
        }
        for asker in commands.ports {
            let _gone = asker.send(self.ports.open());
        }
        self.waits.add(commands.waits);
    }

    fn status(&self) -> Status {
        let pid = |worker| Some(self.workers.get(&worker)?.pid_number());
        Status::new(self.supervisor.status(), pid)
    }
}

/// The number of slots asked for, if any was: a number, then steps up or down from it.
fn scaled(to: Option<u32>, by: i64, now: u32) -> Option<u32> {
    if to.is_none() && by == 0 {
        return None;
    }
    let wanted = i64::from(to.unwrap_or(now)).saturating_add(by);
    Some(u32::try_from(wanted.max(1)).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_count_from_the_number_asked_for_and_never_below_one() {
        assert_eq!(scaled(None, 0, 4), None);
        assert_eq!(scaled(None, 1, 4), Some(5));
        assert_eq!(scaled(None, -9, 4), Some(1));
        assert_eq!(scaled(Some(0), 0, 4), Some(1));
        assert_eq!(scaled(Some(8), -1, 4), Some(7));
    }
}
