//! What the supervisor did or saw, as structured records for people and logs.

use core::time::Duration;

use crate::{DrainReason, ExitReason, Generation, ReplaceCause, SlotId, WorkerId};

/// A record of a decision. The shell adds what only it knows (process ids, causes, last lines).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// A worker became ready.
    WorkerReady {
        /// Which one.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Its generation.
        generation: Generation,
        /// The time from when it existed to ready.
        boot: Duration,
    },
    /// Every slot has a ready worker for the first time.
    ClusterReady {
        /// How many.
        workers: u32,
        /// The time since the supervisor was made.
        took: Duration,
    },
    /// A worker was not ready within the boot timeout from when it existed, or was stopped that long before it had settled, and
    /// is killed.
    BootTimedOut {
        /// Which one.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// The timeout.
        timeout: Duration,
    },
    /// A worker was told to drain.
    Draining {
        /// Which one.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Why.
        reason: DrainReason,
    },
    /// A draining worker was still there at its deadline and is killed.
    DrainTimedOut {
        /// Which one.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// The deadline it had.
        timeout: Duration,
    },
    /// A worker was silent for too long, and is killed.
    HangTimedOut {
        /// Which one.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// How long it could be silent: the hang timeout, or the boot timeout if that is shorter and others
        /// waited for it.
        timeout: Duration,
    },
    /// A slot waits before its next spawn attempt.
    BackingOff {
        /// Which slot.
        slot: SlotId,
        /// How many attempts in a row have failed.
        failures: u32,
        /// How long until the next.
        delay: Duration,
    },
    /// A slot exceeded its budget; said once per episode.
    CrashLooping {
        /// Which slot.
        slot: SlotId,
        /// How many deaths.
        deaths: u32,
        /// Within which time.
        period: Duration,
    },
    /// A worker is being replaced.
    ReplacementStarted {
        /// The worker that goes.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Why.
        cause: ReplaceCause,
    },
    /// A rollout began.
    RolloutStarted {
        /// The generation it goes to.
        generation: Generation,
        /// The generation it comes from.
        from: Generation,
    },
    /// A restart was asked for during a rollout; one more starts when it ends.
    RestartCoalesced,
    /// A restart was asked for although the cluster stops, or leaves before it stops: there is none.
    RestartRefused,
    /// Every slot runs the new generation.
    RolloutFinished {
        /// The new generation.
        generation: Generation,
        /// From the start of the rollout.
        took: Duration,
    },
    /// A rollout failed. Slots already moved return to the old generation.
    RolloutAborted {
        /// The generation that is given up; its number is burnt.
        generation: Generation,
        /// The generation that stays.
        back_to: Generation,
        /// Where it failed.
        slot: SlotId,
        /// The new worker that failed.
        worker: WorkerId,
        /// How.
        cause: AbortCause,
        /// How many slots have to be moved back.
        moved: u32,
    },
    /// Every slot runs the old generation again, except those that keep failing and are left to their
    /// back-off.
    RolledBack {
        /// The generation that runs.
        generation: Generation,
        /// From the abort.
        took: Duration,
        /// How many slots were moved back.
        slots: u32,
    },
    /// The number of slots changed.
    Scaled {
        /// Before.
        from: u32,
        /// After.
        to: u32,
    },
    /// A graceful stop was asked for: the cluster goes on serving for the drain delay.
    Leaving {
        /// How long.
        delay: Duration,
    },
    /// The cluster began to stop.
    Stopping {
        /// Why.
        reason: ExitReason,
    },
}

/// What made a rollout abort.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbortCause {
    /// The new worker's process could not be started.
    SpawnFailed,
    /// The new worker died before it was ready.
    DiedBooting,
    /// The new worker was not ready within the boot timeout, or was stopped that long before it had settled.
    BootTimedOut,
    /// The new worker was silent for too long before it could be relied on.
    Hung,
    /// The new worker was ready and died before the rollout had finished.
    DiedReady,
}
