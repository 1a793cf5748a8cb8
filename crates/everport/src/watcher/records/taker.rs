//! Takes one worker's records out of its ring, a turn at a time, and hands them to the sink.

use std::sync::Arc;
use std::time::Instant;

use super::super::output::{LINES, LastLines};
use super::losses::Losses;
use super::pool::{Pool, PooledRing};
use super::share::Share;
use crate::log::{Entry, Lost, Notice, Records, Sink, Source, WhenFull};
use crate::ring::{Consumer, Nonsense};

/// How many bytes of a dead worker's records are more than what is taken at once, which takes about a millisecond.
const MUCH: u64 = 128 * 1024;

/// What a turn has left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The turn's share is used up; there is more.
    More,
    /// Nothing is left, but something was there, so that more is likely to come.
    Some,
    /// Nothing was there.
    Nothing,
    /// As much as may wait to be written does so.
    Spent,
    /// The ring makes no sense; it has been told, and nothing more is to be taken.
    Broken,
}

/// One worker's ring and where its records go.
pub(crate) struct Taker {
    ring: Consumer,
    pooled: PooledRing,
    source: Source,
    sink: Arc<dyn Sink>,
    share: Arc<Share>,
    /// Whether what was taken counts until every sink has written it.
    waits_for_all: bool,
    losses: Losses,
    /// The last errors it logged.
    last: LastLines,
    /// Up to where the records of a dead worker go, once that is known.
    end: Option<u64>,
}

impl Taker {
    pub(crate) fn new(
        source: Source,
        ring: Consumer,
        when_full: WhenFull,
        sink: Arc<dyn Sink>,
        pool: &Arc<Pool>,
    ) -> Self {
        let waits = when_full == WhenFull::Block;
        let share = waits.then(|| Share::within(pool.for_waited_for()));
        Self {
            pooled: pool.add(ring.size()),
            ring,
            source,
            sink,
            share: Arc::new(share.unwrap_or_default()),
            waits_for_all: waits,
            losses: Losses::default(),
            last: LastLines::default(),
            end: None,
        }
    }

    pub(super) fn share(&self) -> Arc<Share> {
        Arc::clone(&self.share)
    }

    /// Takes one turn's share.
    pub(super) fn take_turn(&mut self) -> Turn {
        self.try_turn().unwrap_or_else(|nonsense| {
            self.tell_nonsense(nonsense);
            self.tell_last_losses();
            Turn::Broken
        })
    }

    fn try_turn(&mut self) -> Result<Turn, Nonsense> {
        let head = self.look()?;
        if head != self.ring.tail() && !self.share.reserve() {
            self.tell_due_losses();
            return Ok(Turn::Spent);
        }
        let took = self.take(head)?;
        self.tell_due_losses();
        Ok(if self.ring.tail() != head {
            Turn::More
        } else if took || self.losses.is_owed() {
            Turn::Some
        } else {
            Turn::Nothing
        })
    }

    /// Whether there is more to take than a few turns' worth, and nobody has begun to take the last of it: what comes after
    /// that is not the worker's own.
    pub(super) fn has_much(&self) -> bool {
        self.end.is_none() && self.ring.committed() > MUCH
    }

    /// Takes one turn's share of what was committed when this was called first: the worker is dead. Whether there may be
    /// more. When there is not, nothing more is to be taken.
    pub(super) fn take_last_turn(&mut self) -> bool {
        match self.try_last_turn() {
            Ok(true) => return true,
            Ok(false) => {}
            Err(nonsense) => {
                self.tell_nonsense(nonsense);
                // What follows it is as little to be trusted, and is not told of again.
                self.end = Some(self.ring.tail());
            }
        }
        self.tell_last_losses();
        false
    }

    fn try_last_turn(&mut self) -> Result<bool, Nonsense> {
        let end = match self.end {
            Some(end) => end,
            None => self.look()?,
        };
        self.end = Some(end);
        let took = self.take_last(end)?;
        self.tell_due_losses();
        Ok(took)
    }

    /// The last errors that were taken, oldest first.
    pub(super) fn last_errors(&self) -> Vec<String> {
        self.last.lines()
    }

    /// Whether the worker will ring when it commits the next record.
    pub(super) fn fall_asleep(&self) -> bool {
        self.ring.fall_asleep()
    }

    /// The worker need not ring.
    pub(super) fn wake_up(&self) {
        self.ring.wake_up();
    }

    fn look(&mut self) -> Result<u64, Nonsense> {
        let look = self.ring.look()?;
        if look.lost > 0 {
            self.losses.note(look.lost, look.head);
        }
        Ok(look.head)
    }

    /// Takes records up to `head`, as many as one turn may take. Whether there were any.
    fn take(&mut self, head: u64) -> Result<bool, Nonsense> {
        let bytes = self.ring.take(head)?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let allowance = self.share.spend(bytes.len(), self.waits_for_all);
        let records = Records::check(self.source, bytes, Some(allowance))?;
        self.keep_errors(&records);
        self.sink.write(Entry::Records(Arc::new(records)));
        Ok(true)
    }

    /// As [`take`](Self::take), but nobody waits for what these take to be given back.
    fn take_last(&mut self, head: u64) -> Result<bool, Nonsense> {
        let bytes = self.ring.take(head)?;
        if bytes.is_empty() {
            return Ok(false);
        }
        let records = Records::check(self.source, bytes, None)?;
        self.keep_errors(&records);
        let records = records.into_last_words(self.pooled.most_last_words());
        self.sink.write(Entry::Records(Arc::new(records)));
        Ok(true)
    }

    /// For the report of its death.
    fn keep_errors(&mut self, records: &Records) {
        for error in records.last_errors(LINES) {
            self.last.push(&error.to_string(), false);
        }
    }

    fn tell_due_losses(&mut self) {
        let lost = self.losses.take(self.ring.tail(), Instant::now());
        self.tell_lost(lost);
    }

    fn tell_last_losses(&mut self) {
        let lost = self.losses.take_last();
        self.tell_lost(lost);
    }

    fn tell_lost(&self, count: Option<u64>) {
        if let Some(count) = count {
            let source = self.source;
            self.sink.write(Entry::Lost(Lost { source, count }));
        }
    }

    fn tell_nonsense(&self, nonsense: Nonsense) {
        let notice = Notice::RingBroken {
            worker: self.source.worker,
            slot: self.source.slot,
            error: nonsense.to_string(),
        };
        self.sink.write(Entry::Notice(notice, Some(self.source)));
    }
}
