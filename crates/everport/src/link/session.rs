//! Which frames a worker may send when; the watcher asks it about each frame.

use super::FromWorker;

/// The protocol versions this library speaks.
pub(crate) const OLDEST_VERSION: u16 = 1;
/// The newest one; both sides go on with the newest that both speak.
pub(crate) const NEWEST_VERSION: u16 = 1;

/// What one worker has said so far.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Session {
    stage: Stage,
    is_ready: bool,
    has_ring: bool,
    has_messages: bool,
}

/// The stages of a session in the order of its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Stage {
    #[default]
    Fresh,
    Greeted,
    Leaving,
    Left,
}

/// A frame that its sender may not send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    /// Something came before the first frame.
    #[error("a frame before Hello")]
    NotGreeted,
    /// Said a second time what is said once.
    #[error("{0} was sent twice")]
    Repeated(&'static str),
    /// Something came after the last frame.
    #[error("a frame after Left")]
    AfterLeft,
    /// The oldest version is newer than the newest.
    #[error("a Hello whose range of versions is empty ({oldest} to {newest})")]
    NoVersions { oldest: u16, newest: u16 },
}

impl Session {
    /// Whether the worker has said its last word.
    pub(crate) fn has_left(&self) -> bool {
        self.stage == Stage::Left
    }

    /// Lets the frame pass when it is legal now.
    pub(crate) fn accept(&mut self, frame: FromWorker) -> Result<FromWorker, Violation> {
        match (self.stage, &frame) {
            (Stage::Fresh, FromWorker::Hello { oldest, newest, .. }) => {
                let (oldest, newest) = (*oldest, *newest);
                if oldest > newest {
                    return Err(Violation::NoVersions { oldest, newest });
                }
                self.stage = Stage::Greeted;
            }
            (Stage::Fresh, _) => return Err(Violation::NotGreeted),
            // It answers what it was asked before we knew.
            (Stage::Left, FromWorker::Alive { .. }) => {}
            (Stage::Left, _) => return Err(Violation::AfterLeft),
            (_, FromWorker::Hello { .. }) => return Err(Violation::Repeated("Hello")),
            (_, FromWorker::Ready) if self.is_ready => return Err(Violation::Repeated("Ready")),
            (_, FromWorker::Ready) => self.is_ready = true,
            (_, FromWorker::OpenRing) if self.has_ring => {
                return Err(Violation::Repeated("OpenRing"));
            }
            (_, FromWorker::OpenRing) => self.has_ring = true,
            (_, FromWorker::OpenMessages) if self.has_messages => {
                return Err(Violation::Repeated("OpenMessages"));
            }
            (_, FromWorker::OpenMessages) => self.has_messages = true,
            (Stage::Leaving, FromWorker::Leaving) => return Err(Violation::Repeated("Leaving")),
            (_, FromWorker::Leaving) => self.stage = Stage::Leaving,
            (_, FromWorker::Left(_)) => self.stage = Stage::Left,
            (
                _,
                FromWorker::Listen { .. }
                | FromWorker::Release { .. }
                | FromWorker::Replace { .. }
                | FromWorker::Alive { .. },
            ) => {}
        }
        Ok(frame)
    }
}

/// The version to go on with when the other side speaks `oldest..=newest`, if there is one.
pub(crate) fn negotiate(oldest: u16, newest: u16) -> Option<u16> {
    let version = newest.min(NEWEST_VERSION);
    (version >= oldest.max(OLDEST_VERSION)).then_some(version)
}
