//! The first frames of a link, seen from the worker.

use std::time::{Duration, Instant};

use super::error::JoinError;
use crate::link::{
    FromWatcher, FromWorker, LinkError, NEWEST_VERSION, OLDEST_VERSION, Welcome, WorkerEnd,
};

/// How long the watcher may take to answer: it answers within a millisecond unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// Greets the watcher and waits for its answer. Blocks.
pub(crate) fn greet(link: &WorkerEnd) -> Result<Welcome, JoinError> {
    let hello = FromWorker::Hello {
        oldest: OLDEST_VERSION,
        newest: NEWEST_VERSION,
        library: concat!("everport ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    link.send(&hello).map_err(broken)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(JoinError::NoAnswer(PATIENCE));
        }
        link.wait(Some(left))?;
        if let Some((frame, _)) = link.try_receive().map_err(broken)? {
            return accept(frame);
        }
    }
}

fn accept(answer: FromWatcher) -> Result<Welcome, JoinError> {
    match answer {
        FromWatcher::Welcome(welcome)
            if (OLDEST_VERSION..=NEWEST_VERSION).contains(&welcome.version) =>
        {
            Ok(welcome)
        }
        FromWatcher::Welcome(welcome) => Err(mismatch(welcome.version, welcome.version)),
        FromWatcher::Refused { oldest, newest } => Err(mismatch(oldest, newest)),
        other => Err(JoinError::Link(format!(
            "the first answer is neither Welcome nor Refused but {other:?}"
        ))),
    }
}

fn mismatch(theirs_oldest: u16, theirs_newest: u16) -> JoinError {
    JoinError::Version {
        ours_oldest: OLDEST_VERSION,
        ours_newest: NEWEST_VERSION,
        theirs_oldest,
        theirs_newest,
    }
}

fn broken(error: LinkError) -> JoinError {
    JoinError::Link(error.to_string())
}
