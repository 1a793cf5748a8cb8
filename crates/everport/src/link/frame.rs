//! What watcher and worker say to each other. `docs/protocol.md` has the bytes.

use std::time::Duration;

use everport_core::{DrainReason, Generation, PortId, ReplaceCause, SlotId, WorkerId};

use crate::log::{Level, WhenFull};
use crate::{BindError, ListenOptions, PortAddress, Sharing};

/// A control frame from a worker: input from a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromWorker {
    /// The first frame: which protocol versions the worker speaks.
    Hello {
        oldest: u16,
        newest: u16,
        /// The worker's library and its version, for error messages only.
        library: String,
    },
    /// Asks for a port; answered by `Granted` or `Denied` with the same request number.
    Listen {
        request: u32,
        address: PortAddress,
        options: ListenOptions,
    },
    /// The listener is gone while the worker goes on.
    Release { port: PortId },
    /// The worker serves.
    Ready,
    /// The worker wants a successor that is ready before it drains; it knows two causes for that.
    Replace { cause: ReplaceCause },
    /// The worker begins to drain on its own.
    Leaving,
    /// The worker's runtime answers a `Beat`.
    Alive { beat: u32 },
    /// The worker wants a ring for its log records; answered by `Ring`.
    OpenRing,
    /// The worker wants to exchange messages; answered by `Messages`.
    OpenMessages,
    /// The worker has drained, or timed out with connections still open.
    Left(Drained),
}

/// What became of the connections that were open when a drain began, or were accepted after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Drained {
    /// Those that ended by themselves.
    pub(crate) finished: u32,
    /// Those that the worker closed in a way that the client could expect.
    pub(crate) closed: u32,
    /// Those that were still open at the deadline; 0 when the worker has drained.
    pub(crate) cut: u32,
}

/// A control frame from the watcher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FromWatcher {
    /// Answers `Hello`.
    Welcome(Welcome),
    /// Answers `Hello` when no version is spoken by both; the link closes after it.
    Refused { oldest: u16, newest: u16 },
    /// Answers `Listen`; a listening socket comes with it, or the end of a channel when it is shared by dispatch.
    Granted {
        request: u32,
        port: PortId,
        /// The address the port is bound to, with its real port number.
        address: PortAddress,
        /// `None` for a way that only a newer watcher knows.
        sharing: Option<Sharing>,
    },
    /// Answers `Listen`.
    Denied { request: u32, error: BindError },
    /// Stop accepting, finish what is there, leave within the timeout.
    Drain {
        reason: DrainReason,
        timeout: Duration,
        /// Ports that no other worker will accept from: accept until none came for `quiet`.
        empty: Vec<PortId>,
        quiet: Duration,
    },
    /// Accept from another slot's socket, too, which comes with it: nobody serves it for now.
    Lend { port: PortId, slot: SlotId },
    /// The lent socket's own worker is back.
    Recall { port: PortId, slot: SlotId },
    /// Look at every transferred socket once: a wake-up may have been lost with another worker.
    Look,
    /// Answer with `Alive` and the same number, on the runtime that serves.
    Beat { beat: u32 },
    /// The cluster is going to stop: the drain begins after this delay. Go on accepting until then.
    Announce { delay: Duration },
    /// Answers `OpenRing`; the ring's memory and its bell come with it, unless its size is 0.
    Ring {
        size: u32,
        when_full: WhenFull,
        /// Records that matter at least as much are wanted.
        level: Level,
        /// Whether that counts more than what the worker's environment says.
        overrides: bool,
    },
    /// Records that matter at least as much are wanted from now on, whatever was said before.
    LogLevel { level: Level },
    /// Answers `OpenMessages`; the worker's end of its message socket comes with it, unless the limit is 0.
    Messages {
        /// How long one message may be in bytes.
        limit: u32,
    },
}

/// What a worker learns about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Welcome {
    /// The protocol version both go on with.
    pub(crate) version: u16,
    pub(crate) worker: WorkerId,
    pub(crate) slot: SlotId,
    pub(crate) generation: Generation,
    /// How long the worker may drain when it does so without being told a timeout.
    pub(crate) shutdown_timeout: Duration,
    /// After how many accepted connections the worker asks to be replaced; 0: never.
    pub(crate) max_connections: u64,
}
