//! The watcher's side of a ring: takes records out, and believes nothing of what it finds.
//!
//! Data is copied with a system call before it is looked at, so the worker cannot change it meanwhile, and the
//! watcher maps nothing but the header.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::{Errno, pread, retry_on_intr};

use super::memory::{self, HEADER, Mapping, reader, tell_room};
use super::turn::{TURN, whole_records};
use super::{Nonsense, Size};

/// A new ring.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) consumer: Consumer,
    /// Rung by the worker. Not to be read from: the worker could make that block. Each ring is an edge of its
    /// own for `epoll`.
    pub(crate) bell: OwnedFd,
}

/// Takes records out of a ring. Dropped, it tells a worker that waits for room that none will come.
#[derive(Debug)]
pub(crate) struct Consumer {
    mapping: Mapping,
    memory: OwnedFd,
    size: u64,
    /// The ring's own is for the worker to read: what it does to it means nothing.
    tail: u64,
    lost: u64,
}

/// What a look at a ring found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Look {
    /// The position up to which records are committed.
    pub(crate) head: u64,
    /// How many records were dropped since the last look. Those before `head` are older than these.
    pub(crate) lost: u64,
}

impl Ring {
    /// A ring that nothing is in.
    ///
    /// # Errors
    /// When the system has no memory or no descriptors for it.
    pub(crate) fn new(size: Size) -> io::Result<Self> {
        let memory = memory::make(size)?;
        let mapping = Mapping::new(&memory, 0)?;
        mapping.keep_from_children();
        let consumer = Consumer {
            mapping,
            memory,
            size: u64::from(size.bytes()),
            tail: 0,
            lost: 0,
        };
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { consumer, bell })
    }
}

impl Consumer {
    /// What the worker maps.
    pub(crate) fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// How many bytes of data it holds.
    pub(crate) fn size(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX)
    }

    /// How many bytes are committed and not taken, as the worker has it.
    pub(crate) fn committed(&self) -> u64 {
        let head = self.mapping.header().head.load(Ordering::SeqCst);
        head.wrapping_sub(self.tail)
    }

    /// Looks at what the worker has committed and dropped.
    pub(crate) fn look(&mut self) -> Result<Look, Nonsense> {
        let header = self.mapping.header();
        // In this order: what was committed before a loss is seen with it.
        let now = header.lost.load(Ordering::Acquire);
        let head = header.head.load(Ordering::SeqCst);
        let before = self.lost;
        let lost = now.checked_sub(before);
        let lost = lost.ok_or(Nonsense::Lost { now, before })?;
        if head.wrapping_sub(self.tail) > self.size {
            let tail = self.tail;
            return Err(Nonsense::Head { head, tail });
        }
        self.lost = now;
        Ok(Look { head, lost })
    }

    /// Takes whole records out, each with its length before it, up to `head` and at most [`TURN`] bytes. Empty only when
    /// nothing is there.
    pub(crate) fn take(&mut self, head: u64) -> Result<Vec<u8>, Nonsense> {
        let committed = head.wrapping_sub(self.tail);
        let mut bytes = self.copy(committed.min(TURN as u64) as usize)?;
        let whole = whole_records(&bytes, committed)?;
        bytes.truncate(whole);
        bytes.shrink_to_fit();
        self.move_tail(whole as u64);
        Ok(bytes)
    }

    /// Up to where records were taken.
    pub(crate) fn tail(&self) -> u64 {
        self.tail
    }

    /// Tells the worker to ring when it commits the next record. `false` when there is one already, and no bell need
    /// be waited for.
    pub(crate) fn fall_asleep(&self) -> bool {
        let header = self.mapping.header();
        header.reader.store(reader::SLEEPS, Ordering::SeqCst);
        // The worker stores the head first and looks at `reader` then: one of us sees the other.
        let is_empty = header.head.load(Ordering::SeqCst) == self.tail;
        if !is_empty {
            self.wake_up();
        }
        is_empty
    }

    /// Tells the worker that it need not ring.
    pub(crate) fn wake_up(&self) {
        let header = self.mapping.header();
        header.reader.store(reader::LOOKS, Ordering::SeqCst);
    }

    /// Copies that many bytes from the tail on. They are committed, or the worker says so.
    fn copy(&self, count: usize) -> Result<Vec<u8>, Nonsense> {
        let mut bytes = vec![0; count];
        let at = self.tail & (self.size - 1);
        let until_end = usize::try_from(self.size - at).unwrap_or(usize::MAX);
        let (first, second) = bytes.split_at_mut(count.min(until_end));
        self.read(first, at)?;
        self.read(second, 0)?;
        Ok(bytes)
    }

    fn read(&self, mut bytes: &mut [u8], at: u64) -> Result<(), Nonsense> {
        let mut offset = HEADER as u64 + at;
        while !bytes.is_empty() {
            let read = retry_on_intr(|| pread(&self.memory, &mut *bytes, offset));
            let count = match read.map_err(Nonsense::Unreadable)? {
                0 => return Err(Nonsense::Unreadable(Errno::IO)),
                count => count,
            };
            offset += count as u64;
            bytes = &mut bytes[count..];
        }
        Ok(())
    }

    fn move_tail(&mut self, by: u64) {
        self.tail = self.tail.wrapping_add(by);
        let header = self.mapping.header();
        header.tail.store(self.tail, Ordering::SeqCst);
        // Looked at after the tail was stored; the worker does both in the opposite order.
        if header.is_awaited.load(Ordering::SeqCst) != 0 {
            header.is_awaited.store(0, Ordering::SeqCst);
            tell_room(header);
        }
    }
}

/// A ring with this head, whose data begins with these bytes.
///
/// # Panics
/// When the system has no memory for it.
#[cfg(any(test, feature = "fuzzing"))]
#[expect(clippy::unwrap_used, reason = "it serves tests only")]
pub(crate) fn filled(head: u64, data: &[u8]) -> Consumer {
    let Ring { consumer, bell: _ } = Ring::new(Size::at_least(0)).unwrap();
    let data = &data[..data.len().min(consumer.size as usize)];
    let start = HEADER as u64;
    assert_eq!(
        rustix::io::pwrite(&consumer.memory, data, start),
        Ok(data.len())
    );
    consumer.mapping.header().head.store(head, Ordering::SeqCst);
    consumer
}

impl Drop for Consumer {
    fn drop(&mut self) {
        let header = self.mapping.header();
        header.reader.store(reader::IS_GONE, Ordering::SeqCst);
        tell_room(header);
    }
}
