//! A rollout that was aborted, as the log tells it and as whoever waits for the restart learns it.

use std::fmt;

use everport_core::AbortCause;

use super::Ending;
use super::describe::Who;
use super::describe_rollout::{Failing, Returning};
use crate::{Generation, SlotId, WorkerId};

/// A rollout that was aborted, and by what. Slots already moved return to the old generation.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AbortedRollout {
    /// The generation that is given up; its number is burnt.
    pub generation: Generation,
    /// The generation that stays.
    pub back_to: Generation,
    /// Where it failed.
    pub slot: SlotId,
    /// The new worker that failed.
    pub worker: WorkerId,
    /// How.
    pub cause: AbortCause,
    /// How it ended, if it has.
    pub ending: Option<Ending>,
    /// Why it could not be started, if it could not.
    pub error: Option<String>,
    /// The last lines it printed to standard error, and after these the last errors it logged: up to its death, or
    /// so far if it is yet to be killed.
    pub last_lines: Vec<String>,
    /// How many slots have to be moved back.
    pub moved: u32,
}

impl fmt::Display for AbortedRollout {
    /// In one line: without the last lines.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = Failing(self.cause, self.ending.as_ref(), self.error.as_deref());
        write!(
            f,
            "rollout to generation {} aborted: {} {how}; generation {} stays{}",
            self.generation,
            Who(self.worker, self.slot),
            self.back_to,
            Returning(self.moved)
        )
    }
}

impl std::error::Error for AbortedRollout {}
