//! The first frames of a link, seen from the worker.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::JoinError;
use super::log_level::{LogLevel, Logging, Wish};
use crate::link::{
    FromWatcher, FromWorker, LinkError, NEWEST_VERSION, OLDEST_VERSION, Welcome, WorkerEnd,
};
use crate::ring::{Producer, Size};

/// How long the watcher may take to answer: it answers within a millisecond unless it is stopped.
const PATIENCE: Duration = Duration::from_secs(10);

/// A frame with the descriptors that came along.
pub(crate) type Received = (FromWatcher, Vec<OwnedFd>);

/// What a worker learns when it joins.
pub(crate) struct Greeting {
    pub(crate) welcome: Welcome,
    pub(crate) logging: Logging,
    /// What the watcher said before it was through with its answers, in its order.
    pub(crate) early: Vec<Received>,
}

/// Greets the watcher, asks it for a ring if records are to go to its log, and waits for its answers. Blocks.
pub(crate) fn greet(link: &WorkerEnd, logs_records: bool) -> Result<Greeting, JoinError> {
    let hello = FromWorker::Hello {
        oldest: OLDEST_VERSION,
        newest: NEWEST_VERSION,
        library: concat!("everport ", env!("CARGO_PKG_VERSION")).to_owned(),
    };
    link.send(&hello).map_err(broken)?;
    let deadline = Instant::now() + PATIENCE;
    if logs_records {
        // Both answers come in one go. A watcher that refuses us has closed the link by now, and its answer says why.
        link.send(&FromWorker::OpenRing).ok();
    }
    let welcome = accept(receive(link, deadline)?.0)?;
    let mut early = Vec::new();
    let logging = match logs_records {
        true => await_ring(link, deadline, &mut early)?,
        false => Logging::default(),
    };
    Ok(Greeting {
        welcome,
        logging,
        early,
    })
}

/// Waits for the answer about the ring; what comes before it is `early`.
fn await_ring(
    link: &WorkerEnd,
    deadline: Instant,
    early: &mut Vec<Received>,
) -> Result<Logging, JoinError> {
    loop {
        match receive(link, deadline)? {
            (answer @ FromWatcher::Ring { .. }, fds) => return Ok(logging(&answer, fds)),
            other => early.push(other),
        }
    }
}

fn receive(link: &WorkerEnd, deadline: Instant) -> Result<Received, JoinError> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(JoinError::NoAnswer(PATIENCE));
        }
        link.wait(Some(left))?;
        if let Some(received) = link.try_receive().map_err(broken)? {
            return Ok(received);
        }
    }
}

/// What the watcher's answer means for our records. Without a ring that can be used they are printed.
fn logging(answer: &FromWatcher, fds: Vec<OwnedFd>) -> Logging {
    let &FromWatcher::Ring {
        size,
        when_full,
        level,
        overrides,
    } = answer
    else {
        return Logging::default();
    };
    let ring = match (Size::checked(size), <[OwnedFd; 2]>::try_from(fds)) {
        (Some(size), Ok([memory, bell])) => Producer::open(&memory, bell, size, when_full).ok(),
        _ => None,
    };
    Logging {
        ring: ring.map(Arc::new),
        level: LogLevel::new(Wish { level, overrides }),
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
