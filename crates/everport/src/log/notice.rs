//! What the watcher did or saw, as structured records with one line of text each.

use everport_core::Notice as Decision;

use std::path::PathBuf;
use std::time::Duration;

use super::{AbortedRollout, Ending, Level, Thread, ThreadEnding};
use crate::bind::PassedSocketError;
use crate::{BindError, Generation, PortAddress, Sharing, SlotId, WorkerId};

/// A structured record of what the watcher did or saw. Its `Display` is the line people read.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Notice {
    /// The supervisor decided something. Never that a rollout is aborted: that is [`Notice::RolloutAborted`].
    Supervisor(Decision),
    /// The watcher began its work.
    Started {
        /// The library's version.
        version: &'static str,
        /// The watcher's process id.
        pid: u32,
        /// How many workers it is to run.
        workers: u32,
        /// What they run.
        program: String,
        /// Whether they are threads of this process.
        threads: bool,
    },
    /// Options come from a configuration file, too.
    Configured {
        /// The file.
        path: PathBuf,
    },
    /// The configuration file was to be read again and cannot be: what was in force stays.
    ConfigurationRefused {
        /// What is wrong with it, a line each.
        errors: Vec<String>,
    },
    /// The cluster has ended: the last notice there is.
    Stopped {
        /// Why.
        reason: everport_core::ExitReason,
        /// How long it ran.
        ran: Duration,
    },
    /// Files that are watched for changes have changed: a restart is asked for because of that.
    FilesChanged {
        /// What changed first, as the user calls it.
        path: String,
        /// How many others changed with it.
        others: usize,
    },
    /// Changes of files that are watched may have been missed, and may be missed from now on.
    WatchFailed {
        /// The system's reason.
        error: String,
    },
    /// A worker has joined the cluster.
    Joined {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Its library and version, as it says.
        library: String,
        /// The version of the link's protocol both go on with.
        protocol: u16,
    },
    /// A worker that was not ready in time has not even joined the cluster.
    NeverJoined {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
    },
    /// A worker was started.
    Spawned {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Its generation.
        generation: Generation,
        /// Its process id: the watcher's own for a thread.
        pid: u32,
        /// The name of its thread, if it is one.
        thread: Option<String>,
    },
    /// A worker could not be started.
    SpawnFailed {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Why.
        error: String,
    },
    /// A worker uses more memory than it may and is going to be replaced.
    OverMemory {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// How many bytes it uses.
        used: u64,
        /// How many it may use.
        limit: u64,
        /// Whether memory that it shares with others was shared out among them; else all of it counts.
        is_proportional: bool,
    },
    /// A worker has ended.
    Ended {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// The process id it had.
        pid: u32,
        /// How it ended.
        ending: Ending,
        /// Whether it had been told to leave.
        expected: bool,
        /// The last lines it printed to standard error, and after these the last errors it logged, one line each, when
        /// it was not expected to end. None if its end aborted a rollout: that notice has them.
        last_lines: Vec<String>,
    },
    /// A rollout failed. Slots already moved return to the old generation.
    RolloutAborted(AbortedRollout),
    /// A worker reported how its drain went.
    Left {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Connections that ended by themselves.
        finished: u32,
        /// Connections that it closed in a way the client could expect.
        closed: u32,
        /// Connections that were still open at the deadline; 0 when it has drained.
        cut: u32,
    },
    /// A worker was stopped by a signal, or runs again.
    Suspended {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Whether it is stopped.
        stopped: bool,
    },
    /// A worker does not answer while somebody waits for it. Said when that begins, and when it lasts.
    Silent {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// For how long.
        lasts: Duration,
    },
    /// A silent worker answers again.
    Heard {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// For how long it did not.
        lasted: Duration,
    },
    /// What a worker over one of its limits was doing, seen before it is killed.
    Stuck {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Its threads, as far as the system tells.
        threads: Vec<Thread>,
        /// The last lines it printed to standard error, and after these the last errors it logged.
        last_lines: Vec<String>,
    },
    /// The watcher itself did not run for a while, because it was stopped or the machine had too much to do.
    /// That time counts towards no limit.
    Overslept {
        /// For how long.
        gap: Duration,
    },
    /// A worker could not be marked to be ended before the watcher when memory runs out; said once.
    OomScoreRefused {
        /// The kernel's reason.
        error: String,
    },
    /// A worker's thread hangs, was to be ended, and cannot be: it goes on beside its successor.
    ThreadAbandoned {
        /// Whose thread.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// How many threads of this cluster there are by now that were abandoned.
        count: u32,
    },
    /// A worker's thread that was abandoned has ended after all.
    ThreadEnded {
        /// Whose thread.
        worker: WorkerId,
        /// The slot it had.
        slot: SlotId,
        /// How.
        ending: ThreadEnding,
        /// How many there still are.
        count: u32,
    },
    /// Something is wrong with a place that the log is written to.
    LogTrouble {
        /// What.
        error: String,
    },
    /// A log file was opened anew, as asked for: what follows is in the file that has the path now.
    LogReopened {
        /// Its path.
        path: PathBuf,
    },
    /// The service manager cannot be told how the cluster is; said once.
    ServiceManagerUnreachable {
        /// What is in the way.
        error: String,
    },
    /// A port is open.
    PortOpened {
        /// Its address.
        address: PortAddress,
        /// How it is shared.
        sharing: Sharing,
        /// The name by which its socket was passed in, if the watcher did not make it.
        passed_in_as: Option<String>,
    },
    /// A port was closed because no worker wants it any more: none of the newest release asked for it, or all
    /// gave it back.
    PortClosed {
        /// Its address.
        address: PortAddress,
        /// The name by which its socket was passed in. Then it is only this cluster that no longer serves it.
        passed_in_as: Option<String>,
    },
    /// Something that was passed in is not used.
    PassedSocketRefused {
        /// Its number, if it is known.
        descriptor: Option<i32>,
        /// Its name.
        name: String,
        /// Why.
        error: PassedSocketError,
    },
    /// The cluster is ready, and no worker has asked for a socket that was passed in.
    PassedSocketUnused {
        /// Its name.
        name: String,
        /// Its address.
        address: PortAddress,
    },
    /// A worker asked for a port and could not be given it.
    PortRefused {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Why.
        error: BindError,
    },
    /// The kernel keeps fewer waiting connections than asked for; said once.
    BacklogClamped {
        /// What was asked for.
        asked: u32,
        /// What the kernel allows.
        limit: u32,
    },
    /// The kernel refused to steer a port; said once per port.
    SteeringRefused {
        /// The port.
        address: PortAddress,
        /// The kernel's reason.
        error: String,
    },
    /// The system does not let the watcher accept at a dispatched port; said once a minute at most.
    AcceptRefused {
        /// The port.
        address: PortAddress,
        /// The system's reason.
        error: String,
    },
    /// A worker shut a shared socket down and the watcher made it listen again.
    PortMended {
        /// The port.
        address: PortAddress,
    },
    /// A worker shut a shared socket down and it could not be made to listen again.
    MendFailed {
        /// The port and why.
        error: BindError,
    },
    /// A worker could not be killed.
    KillFailed {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// Why.
        error: String,
    },
    /// A hook of the application panicked. If that was before a worker was spawned, it is not spawned.
    HookPanicked {
        /// Which hook, as the builder calls it.
        hook: &'static str,
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// What the panic said.
        error: String,
    },
    /// A worker broke the link's protocol; its link was closed.
    LinkBroken {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// What it did.
        error: String,
    },
    /// A worker could not be given a ring for its records: it writes them to its standard output.
    RingRefused {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// The system's reason.
        error: String,
    },
    /// What a worker left in its ring are no records; its ring was closed, nothing else.
    RingBroken {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// What is wrong with it.
        error: String,
    },
    /// A worker got no socket for messages; its first use of them fails.
    MessagesRefused {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// The system's reason.
        error: String,
    },
    /// A worker broke the rules that messages follow, or its socket for them failed; that socket was closed, nothing else.
    MessagesBroken {
        /// Which worker.
        worker: WorkerId,
        /// Its slot.
        slot: SlotId,
        /// What is wrong with it.
        error: String,
    },
    /// Workers were told which of their records are wanted.
    LogLevelSet {
        /// Those that matter at least as much.
        level: Level,
    },
}

impl Notice {
    /// The worker it is about, if it is about one.
    #[must_use]
    pub fn worker(&self) -> Option<(WorkerId, SlotId)> {
        match *self {
            Self::Supervisor(ref decision) => decision_worker(decision),
            Self::NeverJoined { worker, slot }
            | Self::Joined { worker, slot, .. }
            | Self::Spawned { worker, slot, .. }
            | Self::SpawnFailed { worker, slot, .. }
            | Self::OverMemory { worker, slot, .. }
            | Self::Ended { worker, slot, .. }
            | Self::RolloutAborted(AbortedRollout { worker, slot, .. })
            | Self::Left { worker, slot, .. }
            | Self::Suspended { worker, slot, .. }
            | Self::Silent { worker, slot, .. }
            | Self::Heard { worker, slot, .. }
            | Self::Stuck { worker, slot, .. }
            | Self::PortRefused { worker, slot, .. }
            | Self::KillFailed { worker, slot, .. }
            | Self::HookPanicked { worker, slot, .. }
            | Self::ThreadAbandoned { worker, slot, .. }
            | Self::ThreadEnded { worker, slot, .. }
            | Self::LinkBroken { worker, slot, .. }
            | Self::RingRefused { worker, slot, .. }
            | Self::MessagesRefused { worker, slot, .. }
            | Self::MessagesBroken { worker, slot, .. }
            | Self::RingBroken { worker, slot, .. } => Some((worker, slot)),
            _ => None,
        }
    }

    /// The slot it is about, whether or not one of its workers is meant.
    #[must_use]
    pub fn slot(&self) -> Option<SlotId> {
        match *self {
            Self::Supervisor(
                Decision::BackingOff { slot, .. } | Decision::CrashLooping { slot, .. },
            ) => Some(slot),
            _ => self.worker().map(|(_, slot)| slot),
        }
    }
}

fn decision_worker(decision: &Decision) -> Option<(WorkerId, SlotId)> {
    match *decision {
        Decision::WorkerReady { worker, slot, .. }
        | Decision::BootTimedOut { worker, slot, .. }
        | Decision::Draining { worker, slot, .. }
        | Decision::DrainTimedOut { worker, slot, .. }
        | Decision::HangTimedOut { worker, slot, .. }
        | Decision::ReplacementStarted { worker, slot, .. }
        | Decision::RolloutAborted { worker, slot, .. } => Some((worker, slot)),
        Decision::ClusterReady { .. }
        | Decision::BackingOff { .. }
        | Decision::CrashLooping { .. }
        | Decision::RolloutStarted { .. }
        | Decision::RestartCoalesced
        | Decision::RestartRefused
        | Decision::RolloutFinished { .. }
        | Decision::RolledBack { .. }
        | Decision::Scaled { .. }
        | Decision::Leaving { .. }
        | Decision::Stopping { .. } => None,
    }
}
