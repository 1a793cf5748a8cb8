//! A ring's memory: made by the watcher, mapped by both.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::io::Errno;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

use super::Size;

/// How many bytes of a ring's memory precede its data.
pub(super) const HEADER: usize = 4096;

/// What both sides look at. What one side writes all the time is on a line of the cache of its own.
#[repr(C)]
#[derive(Debug)]
pub(super) struct Header {
    /// Up to where records are committed; the worker's. Positions count all bytes there ever were.
    pub(super) head: AtomicU64,
    /// How many records the worker has dropped.
    pub(super) lost: AtomicU64,
    _to_64: [AtomicU64; 6],
    /// Up to where records are taken; the watcher's.
    pub(super) tail: AtomicU64,
    /// Changed by the watcher after it has moved the tail, if `is_awaited` is set: what the worker waits at.
    pub(super) room: AtomicU32,
    _to_128: [AtomicU32; 13],
    /// What the watcher does: one of [`reader`].
    pub(super) reader: AtomicU32,
    /// Whether the worker waits for room.
    pub(super) is_awaited: AtomicU32,
}

/// What a ring's watcher does.
pub(super) mod reader {
    /// It waits for the bell.
    pub(in crate::ring) const SLEEPS: u32 = 0;
    /// It looks at the head by itself before long.
    pub(in crate::ring) const LOOKS: u32 = 1;
    /// It will not take anything any more.
    pub(in crate::ring) const IS_GONE: u32 = 2;
}

/// Memory for a ring. Its length can never be changed, or one side could make the other one crash.
pub(super) fn make(size: Size) -> io::Result<OwnedFd> {
    let memory = match named(MemfdFlags::NOEXEC_SEAL) {
        // Linux before 6.3 does not know it.
        Err(Errno::INVAL) => named(MemfdFlags::empty())?,
        memory => memory?,
    };
    ftruncate(&memory, HEADER as u64 + u64::from(size.bytes()))?;
    fcntl_add_seals(
        &memory,
        SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL,
    )?;
    Ok(memory)
}

fn named(more: MemfdFlags) -> Result<OwnedFd, Errno> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | more;
    memfd_create("everport-ring", flags)
}

/// The beginning of a ring's memory in our own, the header at least.
#[derive(Debug)]
pub(super) struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: the mapping is nobody else's to unmap, and nothing in it depends on a thread: the header is atomics only,
// and the data is reached by one `Writer` only.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps the header and as much of the data. The memory must be that long and sealed as [`make`] seals it.
    pub(super) fn new(memory: impl AsFd, data: usize) -> io::Result<Self> {
        let length = HEADER + data;
        let (access, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED);
        // SAFETY: the kernel chooses a place where nothing is.
        let start = unsafe { mmap(ptr::null_mut(), length, access, flags, memory, 0) }?;
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Self { start, length })
    }

    /// Leaves it out of what children get of our memory: each fork would copy every mapping, and a watcher can have a
    /// thousand. A child that gets it all the same, because the kernel refuses, has it until it executes its program.
    pub(super) fn keep_from_children(&self) {
        use rustix::mm::{Advice, madvise};

        // SAFETY: all of it was mapped by `new`, and nothing about it changes in this process.
        let _refused = unsafe {
            madvise(
                self.start.as_ptr().cast(),
                self.length,
                Advice::LinuxDontFork,
            )
        };
    }

    pub(super) fn header(&self) -> &Header {
        // SAFETY: the mapping is longer than a `Header`, begins at a page, and lives as long as `self`. Every field
        // is an atomic, so that any bytes are one, and may be changed by the other side at any time.
        unsafe { self.start.cast().as_ref() }
    }

    /// Copies bytes to a place in the data.
    ///
    /// # Panics
    /// When they do not fit there.
    pub(super) fn write(&self, at: usize, bytes: &[u8]) {
        let end = at.checked_add(bytes.len());
        assert!(end.is_some_and(|end| end <= self.length - HEADER));
        // SAFETY: it is within the mapping, as was just looked at, and `bytes` are elsewhere: nothing else
        // here refers to the data. The other side copies it with a system call, after the head was moved.
        unsafe {
            let to = self.start.add(HEADER + at).as_ptr();
            ptr::copy_nonoverlapping(bytes.as_ptr(), to, bytes.len());
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `new`, and no reference to it outlives `self`.
        let unmapped = unsafe { munmap(self.start.as_ptr().cast(), self.length) };
        debug_assert!(unmapped.is_ok());
    }
}

/// Tells the other side that there is room, or that none will come.
pub(super) fn tell_room(header: &Header) {
    header.room.fetch_add(1, Ordering::SeqCst);
    // There is one waiter at most. Without one, nobody is woken.
    rustix::thread::futex::wake(&header.room, rustix::thread::futex::Flags::empty(), 1).ok();
}

/// Whether this process is the one that mapped the ring, and not a copy of it made by `fork`.
#[derive(Debug)]
pub(super) struct Original {
    /// A page that is empty in a copy.
    page: NonNull<AtomicU32>,
}

// SAFETY: the page is nobody else's to unmap, and there is one atomic in it.
unsafe impl Send for Original {}
// SAFETY: as above.
unsafe impl Sync for Original {}

impl Original {
    /// Less than any page.
    const LENGTH: usize = size_of::<AtomicU32>();

    pub(super) fn new() -> io::Result<Self> {
        use rustix::mm::{Advice, madvise, mmap_anonymous};

        let access = ProtFlags::READ | ProtFlags::WRITE;
        let length = Self::LENGTH;
        // SAFETY: the kernel chooses a place where nothing is.
        let page = unsafe { mmap_anonymous(ptr::null_mut(), length, access, MapFlags::PRIVATE) }?;
        let original = Self {
            page: NonNull::new(page.cast()).ok_or(io::ErrorKind::AddrNotAvailable)?,
        };
        // SAFETY: the page was just mapped for this, and is nobody else's.
        unsafe { madvise(page, length, Advice::LinuxWipeOnFork) }?;
        original.mark().store(1, Ordering::Relaxed);
        Ok(original)
    }

    pub(super) fn is_here(&self) -> bool {
        self.mark().load(Ordering::Relaxed) == 1
    }

    fn mark(&self) -> &AtomicU32 {
        // SAFETY: the page is mapped as long as `self` lives, and any bytes are an atomic.
        unsafe { self.page.as_ref() }
    }
}

impl Drop for Original {
    fn drop(&mut self) {
        // SAFETY: it was mapped by `new`, and no reference to it outlives `self`.
        let unmapped = unsafe { munmap(self.page.as_ptr().cast(), Self::LENGTH) };
        debug_assert!(unmapped.is_ok());
    }
}
