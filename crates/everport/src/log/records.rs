//! Records of one worker, as they were taken out of its ring.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Level, Source};
use crate::record::{LENGTH_PREFIX, Malformed, Record};

/// What a worker does with a record when its ring is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WhenFull {
    /// It drops the record and counts it: no worker ever waits for the log.
    #[default]
    Drop,
    /// It waits for room, as long as the log moves: who reads it slows the workers. After a second in which nothing was
    /// taken, records are dropped and counted until something is.
    Block,
}

/// Some records of one worker, in its order. Every one of them has been checked.
pub struct Records {
    source: Source,
    /// Each with its length before it.
    bytes: Vec<u8>,
    count: u64,
    allowance: Option<Allowance>,
    most_last_words: Option<usize>,
}

/// What the room that records find in a queue depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Claim {
    /// Their worker has its share of it.
    Share,
    /// Their worker waits until they are written, and was promised that none is dropped.
    WaitedFor,
    /// Their worker is dead: they have room beside everything else, where no more than so many bytes of the kind wait.
    LastWords { most: usize },
}

/// What the records take of the amount that one worker may have waiting to be written. Given back once.
pub(crate) struct Allowance {
    /// Whether every sink has to be done with them before it is given back, or just the fastest.
    pub(crate) waits_for_all: bool,
    pub(crate) give_back: Box<dyn Fn() + Send + Sync>,
    pub(crate) is_given_back: AtomicBool,
}

impl Records {
    /// Checks records as they come out of a ring: whole ones, each with its length before it.
    pub(crate) fn check(
        source: Source,
        bytes: Vec<u8>,
        allowance: Option<Allowance>,
    ) -> Result<Self, Malformed> {
        let mut count = 0;
        for record in split(&bytes) {
            Record::decode(record?)?;
            count += 1;
        }
        Ok(Self {
            source,
            bytes,
            count,
            allowance,
            most_last_words: None,
        })
    }

    /// Makes them what a dead worker left. Of such records as many bytes may wait for each sink.
    pub(crate) fn into_last_words(mut self, most: usize) -> Self {
        self.most_last_words = Some(most);
        self
    }

    /// Whose they are.
    #[must_use]
    pub fn source(&self) -> Source {
        self.source
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The records, in the worker's order.
    pub fn iter(&self) -> impl Iterator<Item = Record<'_>> {
        // They were checked before.
        split(&self.bytes).filter_map(|record| Record::decode(record.ok()?).ok())
    }

    /// Its last errors, the oldest first and at most so many. The others are not even decoded.
    pub(crate) fn last_errors(&self, most: usize) -> impl Iterator<Item = Record<'_>> {
        let records = split(&self.bytes).filter_map(Result::ok);
        let mut last = VecDeque::new();
        for error in records.filter(|record| Record::level_of(record) == Some(Level::Error)) {
            if last.len() == most {
                last.pop_front();
            }
            last.push_back(error);
        }
        last.into_iter()
            .filter_map(|record| Record::decode(record).ok())
    }

    /// What they take of memory, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn claim(&self) -> Claim {
        let allowance = self.allowance.as_ref();
        match self.most_last_words {
            Some(most) => Claim::LastWords { most },
            None if allowance.is_some_and(|it| it.waits_for_all) => Claim::WaitedFor,
            None => Claim::Share,
        }
    }

    /// To be called once they are written, or could not be: their worker may have more waiting then, unless it waits for
    /// every place.
    ///
    /// A worker has at most 256 KiB taken and not done; its other records stay in its ring. Records that are dropped
    /// everywhere are done in any case, so only a sink that keeps the entry after it has written it needs to call this.
    /// One that has no room for them and is one of several should not, and only drop them: or a sink that is stuck would
    /// let workers flood those that are not.
    pub fn note_done(&self) {
        if let Some(allowance) = &self.allowance
            && !allowance.waits_for_all
        {
            allowance.give_back_once();
        }
    }
}

impl Drop for Allowance {
    fn drop(&mut self) {
        self.give_back_once();
    }
}

impl Allowance {
    fn give_back_once(&self) {
        if !self.is_given_back.swap(true, Ordering::AcqRel) {
            (self.give_back)();
        }
    }
}

impl fmt::Debug for Records {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Records")
            .field("source", &self.source)
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// The records in the bytes; an error where they are not whole.
fn split(mut bytes: &[u8]) -> impl Iterator<Item = Result<&[u8], Malformed>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        let record = take(&mut bytes);
        if record.is_err() {
            bytes = &[];
        }
        Some(record)
    })
}

fn take<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let (length, rest) = bytes
        .split_first_chunk::<LENGTH_PREFIX>()
        .ok_or(Malformed::Truncated("length"))?;
    let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
    let (record, rest) = rest
        .split_at_checked(length)
        .ok_or(Malformed::Truncated("record"))?;
    *bytes = rest;
    Ok(record)
}
