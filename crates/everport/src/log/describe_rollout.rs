//! The text of notices about rollouts.

use std::fmt;

use everport_core::{AbortCause, Notice as Decision};

use super::describe::{Counted, write_last_lines};
use super::duration::Readable;
use super::escape::escape_display;
use super::{AbortedRollout, Ending, Notice};

pub(super) fn describe_rollout(f: &mut fmt::Formatter<'_>, decision: &Decision) -> fmt::Result {
    match *decision {
        Decision::RolloutStarted { generation, from } => {
            write!(
                f,
                "rollout from generation {from} to generation {generation} started"
            )
        }
        Decision::RestartCoalesced => {
            f.write_str("restart asked for during a rollout: one more follows when it ends")
        }
        Decision::RestartRefused => {
            f.write_str("restart asked for although the cluster stops: there is none")
        }
        Decision::RolloutFinished { generation, took } => write!(
            f,
            "rollout to generation {generation} finished in {}",
            Readable(took)
        ),
        Decision::RolloutAborted {
            generation,
            back_to,
            slot,
            worker,
            cause,
            moved,
        } => {
            let without_details = AbortedRollout {
                generation,
                back_to,
                slot,
                worker,
                cause,
                ending: None,
                error: None,
                last_lines: Vec::new(),
                moved,
            };
            write!(f, "{without_details}")
        }
        Decision::RolledBack {
            generation,
            took,
            slots,
        } => write!(
            f,
            "rolled back to generation {generation} in {} ({})",
            Readable(took),
            Counted(slots, "slot")
        ),
        _ => Ok(()),
    }
}

pub(super) fn describe_abort(f: &mut fmt::Formatter<'_>, notice: &Notice) -> fmt::Result {
    let Notice::RolloutAborted(aborted) = notice else {
        return Ok(());
    };
    write!(f, "{aborted}")?;
    write_last_lines(f, &aborted.last_lines)
}

/// What the new worker did, how its process ended, and why it could not be started.
pub(super) struct Failing<'notice>(
    pub(super) AbortCause,
    pub(super) Option<&'notice Ending>,
    pub(super) Option<&'notice str>,
);

impl fmt::Display for Failing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(cause, ending, error) = self;
        f.write_str(match cause {
            AbortCause::SpawnFailed => "could not be started",
            AbortCause::DiedBooting => "died before it was ready",
            AbortCause::BootTimedOut => "did not come up in time",
            AbortCause::Hung => "did not answer any more",
            AbortCause::DiedReady => "died after it was ready",
        })?;
        if let Some(ending) = ending {
            write!(f, " ({ending})")?;
        }
        match error {
            Some(error) => write!(f, ": {}", escape_display(error)),
            None => Ok(()),
        }
    }
}

/// How many slots return to the old generation, if any has left it.
pub(super) struct Returning(pub(super) u32);

impl fmt::Display for Returning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str(", 1 slot returns to it"),
            moved => write!(f, ", {moved} slots return to it"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::log::Level;
    use crate::{Generation, SlotId, WorkerId};

    #[track_caller]
    fn check(decision: Decision, level: Level, expected: &str) {
        let notice = Notice::Supervisor(decision);
        assert_eq!(notice.to_string(), expected);
        assert_eq!(notice.level(), level, "{expected}");
        assert_eq!(notice.worker(), None, "{expected}");
    }

    #[test]
    fn a_rollout_is_told_from_its_start_to_its_end() {
        check(
            Decision::RolloutStarted {
                generation: Generation(3),
                from: Generation(2),
            },
            Level::Info,
            "rollout from generation 2 to generation 3 started",
        );
        check(
            Decision::RestartCoalesced,
            Level::Info,
            "restart asked for during a rollout: one more follows when it ends",
        );
        check(
            Decision::RestartRefused,
            Level::Warn,
            "restart asked for although the cluster stops: there is none",
        );
        check(
            Decision::RolloutFinished {
                generation: Generation(3),
                took: Duration::from_millis(1234),
            },
            Level::Info,
            "rollout to generation 3 finished in 1.2 s",
        );
        check(
            Decision::RolledBack {
                generation: Generation(2),
                took: Duration::from_millis(200),
                slots: 2,
            },
            Level::Warn,
            "rolled back to generation 2 in 200 ms (2 slots)",
        );
    }

    /// What an abort reads like; its first line ends with how many slots return.
    #[track_caller]
    fn check_abort(
        (cause, ending, error): (AbortCause, Option<Ending>, Option<&str>),
        last_lines: &[&str],
        expected: &str,
    ) {
        let notice = Notice::RolloutAborted(AbortedRollout {
            generation: Generation(3),
            back_to: Generation(2),
            slot: SlotId(2),
            worker: WorkerId(7),
            cause,
            ending,
            error: error.map(str::to_owned),
            last_lines: last_lines.iter().map(|line| (*line).to_owned()).collect(),
            moved: 0,
        });
        assert_eq!(
            notice.to_string(),
            format!("rollout to generation 3 aborted: worker 7 (slot 2) {expected}")
        );
        assert_eq!(notice.level(), Level::Error);
        assert_eq!(notice.worker(), Some((WorkerId(7), SlotId(2))));
    }

    fn exited_with(code: i32) -> Option<Ending> {
        Some(Ending {
            code: Some(code),
            signal: None,
            out_of_memory: false,
            thread: None,
        })
    }

    #[test]
    fn an_abort_names_the_worker_the_cause_and_its_last_lines() {
        check_abort(
            (AbortCause::SpawnFailed, None, Some("no such \x1b file")),
            &[],
            "could not be started: no such \\x1b file; generation 2 stays",
        );
        check_abort(
            (AbortCause::DiedBooting, exited_with(3), None),
            &["one", "two\x1b"],
            "died before it was ready (exited with code 3); generation 2 stays\n| one\n| two\\x1b",
        );
        check_abort(
            (AbortCause::BootTimedOut, None, None),
            &["waiting"],
            "did not come up in time; generation 2 stays\n| waiting",
        );
        check_abort(
            (AbortCause::Hung, None, None),
            &[],
            "did not answer any more; generation 2 stays",
        );
        check_abort(
            (AbortCause::DiedReady, exited_with(0), None),
            &[],
            "died after it was ready (exited); generation 2 stays",
        );
    }

    #[test]
    fn an_abort_tells_how_many_slots_return() {
        let text = |moved| {
            Notice::Supervisor(Decision::RolloutAborted {
                generation: Generation(3),
                back_to: Generation(2),
                slot: SlotId(2),
                worker: WorkerId(7),
                cause: AbortCause::DiedReady,
                moved,
            })
            .to_string()
        };
        assert!(text(0).ends_with("; generation 2 stays"));
        assert!(text(1).ends_with("; generation 2 stays, 1 slot returns to it"));
        assert!(text(2).ends_with("; generation 2 stays, 2 slots return to it"));
    }
}
