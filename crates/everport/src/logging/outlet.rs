//! Where a worker's records go: into its ring, or to its standard output.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::ThreadLog;
use super::console::Console;
use crate::cluster::State;
use crate::log::LogFormat;
use crate::ring::Producer;

/// How long a panic waits for room in the ring before it is told otherwise.
const PATIENCE: Duration = Duration::from_millis(500);

/// Takes records for the watcher.
pub(super) trait Ring: Send + Sync {
    /// Hands a record over; `false` when it was dropped, which is counted.
    fn hand_over(&self, record: &[u8]) -> bool;

    /// As [`Ring::hand_over`], for one who must not wait for long whatever the ring's user has wished.
    fn hand_over_soon(&self, record: &[u8]) -> bool;

    /// Whether nobody takes records any more, nor counts them.
    fn is_closed(&self) -> bool;
}

/// Where records go whose ring has been closed: where they would go without one.
static INSTEAD: LazyLock<Console> = LazyLock::new(|| Console::stdout(None));

/// Where records go.
#[derive(Clone)]
pub(super) enum Outlet {
    Ring(Arc<dyn Ring>),
    /// There is no watcher, or it has no ring for us.
    Console(Arc<Console>),
    /// That of the worker whose thread it is, or standard output where it is nobody's.
    OfThread(Arc<Console>),
}

impl Outlet {
    pub(super) fn of(state: &State) -> Self {
        match state.ring() {
            Some(ring) => Self::Ring(Arc::clone(ring) as Arc<dyn Ring>),
            None => Self::Console(Arc::new(Console::stdout(None))),
        }
    }

    /// Of threads that may belong to a worker or not.
    pub(super) fn of_thread() -> Self {
        Self::OfThread(Arc::new(Console::stdout(None)))
    }

    pub(super) fn with_format(self, format: LogFormat) -> Self {
        match self {
            Self::Ring(ring) => Self::Ring(ring),
            Self::Console(_) => Self::Console(Arc::new(Console::stdout(Some(format)))),
            Self::OfThread(_) => Self::OfThread(Arc::new(Console::stdout(Some(format)))),
        }
    }

    pub(super) fn hand_over(&self, record: &[u8]) {
        match self {
            // The ring counts what it drops, as long as there is somebody to tell.
            Self::Ring(ring) if ring.hand_over(record) || !ring.is_closed() => {}
            Self::Ring(_) => INSTEAD.write(record),
            Self::Console(console) => console.write(record),
            Self::OfThread(console) => match ThreadLog::outlet_of_this_thread() {
                Some(outlet) => outlet.hand_over(record),
                None => console.write(record),
            },
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ring(_) => "Ring",
            Self::Console(_) => "Console",
            Self::OfThread(_) => "OfThread",
        })
    }
}

impl Ring for Producer {
    fn hand_over(&self, record: &[u8]) -> bool {
        Producer::hand_over(self, record)
    }

    fn hand_over_soon(&self, record: &[u8]) -> bool {
        self.hand_over_within(PATIENCE, record)
    }

    fn is_closed(&self) -> bool {
        Producer::is_closed(self)
    }
}
