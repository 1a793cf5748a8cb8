//! The worker's side of a ring: hands records over.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::Timespec;
use rustix::fs::fstat;
use rustix::thread::futex;

use super::Size;
use super::memory::{HEADER, Header, Mapping, Original, reader, tell_room};
use super::patience::{BRIEF, STANDSTILL, may_wait_here};
use crate::log::WhenFull;
use crate::record::{LENGTH_PREFIX, LONGEST_RECORD};

/// How long one wait for room takes at most: who waits is woken, and looks again all the same.
const SLICE: Duration = Duration::from_millis(100);

/// How long who may not wait for the lock sleeps before trying again.
const SHORT: Duration = Duration::from_millis(1);

/// Hands records over to the watcher. Any thread may, one at a time.
#[derive(Debug)]
pub(crate) struct Producer {
    mapping: Mapping,
    original: Original,
    bell: OwnedFd,
    size: u64,
    /// Whether a full ring is waited for.
    waits: AtomicBool,
    /// Whether we know that nobody takes anything any more, though the ring does not say so.
    was_closed: AtomicBool,
    /// Records that were dropped before it was their turn, and are not counted in the ring yet.
    missed: AtomicU64,
    writing: Mutex<Writing>,
}

/// What whoever writes knows; nothing is read back from the ring but the tail.
#[derive(Debug, Default)]
struct Writing {
    head: u64,
    /// The tail as it was seen last: it may be further on.
    tail: u64,
    lost: u64,
    /// The tail at which the log stood still for so long that nothing waits until it moves.
    stuck_at: Option<u64>,
    /// Whether the bell was rung since the ring became half full.
    has_rung: bool,
}

impl Producer {
    /// Maps a ring as the watcher has sent it.
    ///
    /// # Errors
    /// When it is not what it should be, or the system refuses.
    pub(crate) fn open(
        memory: &OwnedFd,
        bell: OwnedFd,
        size: Size,
        when_full: WhenFull,
    ) -> io::Result<Self> {
        let length = HEADER as u64 + u64::from(size.bytes());
        if u64::try_from(fstat(memory)?.st_size) != Ok(length) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let data = usize::try_from(size.bytes()).map_err(|_| io::ErrorKind::OutOfMemory)?;
        Ok(Self {
            mapping: Mapping::new(memory, data)?,
            original: Original::new()?,
            bell,
            size: u64::from(size.bytes()),
            waits: AtomicBool::new(when_full == WhenFull::Block),
            was_closed: AtomicBool::new(false),
            missed: AtomicU64::new(0),
            writing: Mutex::default(),
        })
    }

    /// Hands a record over: it reaches the watcher whatever becomes of this process. `false` when there was no room
    /// for it and it was dropped; the watcher is told how many were. Blocks only in a cluster whose log is to be
    /// waited for, and only as long as that takes anything.
    ///
    /// In a copy of this process made by `fork` nothing is handed over.
    #[cfg_attr(
        not(any(test, feature = "tracing")),
        expect(dead_code, reason = "only the layer has records")
    )]
    pub(crate) fn hand_over(&self, record: &[u8]) -> bool {
        if !self.original.is_here() {
            return false; // the lock may be somebody's who is not here, and the ring is another process's
        }
        if !may_wait_here() {
            return self.hand_over_within(BRIEF, record);
        }
        self.commit(self.lock(), record, None)
    }

    /// As [`Producer::hand_over`], for who must not wait for long even where the log is waited for.
    pub(crate) fn hand_over_within(&self, limit: Duration, record: &[u8]) -> bool {
        let until = Instant::now() + limit;
        while self.original.is_here() {
            match self.writing.try_lock() {
                Ok(writing) => return self.commit(writing, record, Some(until)),
                Err(TryLockError::Poisoned(error)) => {
                    return self.commit(error.into_inner(), record, Some(until));
                }
                // Locks of the standard library are not waited for with a limit.
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(SHORT),
                Err(TryLockError::WouldBlock) => {
                    // Whoever is next counts it.
                    self.missed.fetch_add(1, Ordering::SeqCst);
                    break;
                }
            }
        }
        false
    }

    fn commit(
        &self,
        mut writing: MutexGuard<'_, Writing>,
        record: &[u8],
        until: Option<Instant>,
    ) -> bool {
        if self.is_closed() {
            return false; // nobody would read it, nor the count
        }
        writing.lost += self.missed.swap(0, Ordering::SeqCst);
        let can_be = (1..=LONGEST_RECORD).contains(&record.len());
        if !can_be || !self.find_room(&mut writing, LENGTH_PREFIX + record.len(), until) {
            writing.lost += 1;
            self.header().lost.store(writing.lost, Ordering::Release);
            return false;
        }
        self.header().lost.store(writing.lost, Ordering::Release);
        // Made to fit just before.
        let length = (record.len() as u32).to_le_bytes();
        self.copy_in(writing.head, &length);
        self.copy_in(writing.head + LENGTH_PREFIX as u64, record);
        writing.head += (LENGTH_PREFIX + record.len()) as u64;
        // Committed: whoever sees this head sees the bytes before it.
        self.header().head.store(writing.head, Ordering::SeqCst);
        let must_ring = self.must_ring(&mut writing);
        drop(writing);
        if must_ring {
            // It fails only when the counter is full, and then the bell rings already.
            rustix::io::write(&self.bell, &1_u64.to_ne_bytes()).ok();
        }
        true
    }

    /// Waits for no room any more, and whoever does so now goes on.
    pub(crate) fn stop_waiting(&self) {
        if self.waits.swap(false, Ordering::SeqCst) {
            tell_room(self.header());
        }
    }

    /// Nobody takes anything any more: the watcher is gone, and may not have been able to say so.
    pub(crate) fn close(&self) {
        self.was_closed.store(true, Ordering::SeqCst);
        self.stop_waiting();
    }

    /// Whether records are neither taken any more nor counted.
    pub(crate) fn is_closed(&self) -> bool {
        self.was_closed.load(Ordering::SeqCst)
            || self.header().reader.load(Ordering::SeqCst) == reader::IS_GONE
    }

    /// Whether a full ring is waited for.
    pub(crate) fn waits(&self) -> bool {
        self.waits.load(Ordering::SeqCst)
    }

    /// Whether there is room, if need be after a wait for it.
    fn find_room(&self, writing: &mut Writing, needed: usize, until: Option<Instant>) -> bool {
        let mut standstill = None;
        loop {
            if self.has_room(writing, needed) {
                return true;
            }
            // Read before anything is looked at that comes with a change of it.
            let room = self.header().room.load(Ordering::SeqCst);
            let is_late = until.is_some_and(|until| until <= Instant::now());
            if is_late || !self.waits() || self.is_closed() || writing.is_stuck(&mut standstill) {
                return false;
            }
            self.header().is_awaited.store(1, Ordering::SeqCst);
            // Looked at once more after saying so: either we see the tail that the watcher moved, or it sees that
            // we wait and changes `room`, and then the wait does not even begin.
            if !self.has_room(writing, needed) {
                let flags = futex::Flags::empty();
                // However it ends, everything is looked at again.
                futex::wait(&self.header().room, flags, room, Some(&slice())).ok();
            }
        }
    }

    /// Whether there is room. The tail is looked at only when there is none as far as known: its line of the
    /// cache is the watcher's.
    fn has_room(&self, writing: &mut Writing, needed: usize) -> bool {
        let fits = |writing: &Writing| needed as u64 <= self.size.saturating_sub(writing.used());
        fits(writing) || {
            writing.tail = self.header().tail.load(Ordering::SeqCst);
            fits(writing)
        }
    }

    /// Whether the watcher does not look by itself, or might do so too late.
    fn must_ring(&self, writing: &mut Writing) -> bool {
        // The head was stored before this, and a watcher that goes to sleep looks at the head after it has said so:
        // one of us sees the other, because both orders are `SeqCst`. Who exchanges the value is the one to ring.
        let reader = &self.header().reader;
        if reader.load(Ordering::SeqCst) == reader::SLEEPS {
            let order = Ordering::SeqCst;
            let exchanged = reader.compare_exchange(reader::SLEEPS, reader::LOOKS, order, order);
            return exchanged.is_ok();
        }
        self.became_half_full(writing)
    }

    /// Whether half of the ring is in use, said once until it is no longer.
    fn became_half_full(&self, writing: &mut Writing) -> bool {
        let half = self.size / 2;
        if writing.used() >= half {
            writing.tail = self.header().tail.load(Ordering::SeqCst);
        }
        let is_half_full = writing.used() >= half;
        let had_rung = std::mem::replace(&mut writing.has_rung, is_half_full);
        is_half_full && !had_rung
    }

    /// Copies bytes to a position, around the end of the ring if need be.
    fn copy_in(&self, position: u64, bytes: &[u8]) {
        // The ring was mapped, so its size is within `usize`.
        let at = (position & (self.size - 1)) as usize;
        let until_end = (self.size as usize - at).min(bytes.len());
        let (first, second) = bytes.split_at(until_end);
        self.mapping.write(at, first);
        self.mapping.write(0, second);
    }

    fn header(&self) -> &Header {
        self.mapping.header()
    }

    fn lock(&self) -> MutexGuard<'_, Writing> {
        // A panic leaves a record that was not committed, which the next one overwrites.
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing {
    /// How much of the ring is in use, as far as known.
    fn used(&self) -> u64 {
        self.head.wrapping_sub(self.tail)
    }

    /// Whether the log has stood still for too long, as one wait has seen it.
    fn is_stuck(&mut self, seen: &mut Option<Standstill>) -> bool {
        if self.stuck_at == Some(self.tail) {
            return true;
        }
        match seen {
            Some(standstill) if standstill.tail == self.tail => standstill.go_on(),
            _ => *seen = Some(Standstill::begin(self.tail)),
        }
        let is_over = seen.as_ref().is_some_and(|it| it.lasted >= STANDSTILL);
        if is_over {
            self.stuck_at = Some(self.tail);
        }
        is_over
    }
}

/// A tail that does not move.
struct Standstill {
    tail: u64,
    looked: Instant,
    lasted: Duration,
}

impl Standstill {
    fn begin(tail: u64) -> Self {
        Self {
            tail,
            looked: Instant::now(),
            lasted: Duration::ZERO,
        }
    }

    /// Counts what has passed since the last look, and no more than two slices of it: the rest is time in which this
    /// process did not run, and on a machine that stood still the watcher could not move the tail either.
    fn go_on(&mut self) {
        let now = Instant::now();
        self.lasted += (now - self.looked).min(SLICE * 2);
        self.looked = now;
    }
}

fn slice() -> Timespec {
    Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(SLICE.subsec_nanos()),
    }
}
