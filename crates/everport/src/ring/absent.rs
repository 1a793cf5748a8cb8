//! Where there is no ring: making one fails, so that none of the rest is ever called.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::Size;
use crate::record::Malformed;

/// A new ring, if there were one.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) consumer: Consumer,
    pub(crate) bell: OwnedFd,
}

/// What is wrong with a ring.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Nonsense {
    /// The bytes between two lengths are not a record.
    #[error(transparent)]
    Record(#[from] Malformed),
}

/// The watcher's side.
#[derive(Debug)]
pub(crate) enum Consumer {}

/// What a look at a ring found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    pub(crate) head: u64,
    pub(crate) lost: u64,
}

impl Ring {
    pub(crate) fn new(_size: Size) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl Consumer {
    pub(crate) fn size(&self) -> usize {
        match *self {}
    }

    pub(crate) fn memory(&self) -> BorrowedFd<'_> {
        match *self {}
    }

    pub(crate) fn committed(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn look(&mut self) -> Result<Look, Nonsense> {
        match *self {}
    }

    pub(crate) fn take(&mut self, _head: u64) -> Result<Vec<u8>, Nonsense> {
        match *self {}
    }

    pub(crate) fn tail(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn fall_asleep(&self) -> bool {
        match *self {}
    }

    pub(crate) fn wake_up(&self) {
        match *self {}
    }
}

/// The worker's side.
#[derive(Debug)]
pub(crate) enum Producer {}

impl Producer {
    pub(crate) fn open(
        _memory: &OwnedFd,
        _bell: OwnedFd,
        _size: Size,
        _when_full: crate::log::WhenFull,
    ) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Hands a record over; `false` when it was dropped.
    #[cfg_attr(
        not(any(test, feature = "tracing")),
        expect(dead_code, reason = "only the layer has records")
    )]
    pub(crate) fn hand_over(&self, _record: &[u8]) -> bool {
        match *self {}
    }

    #[cfg_attr(
        not(feature = "tracing"),
        expect(dead_code, reason = "only the layer has records")
    )]
    pub(crate) fn hand_over_within(&self, _limit: std::time::Duration, _record: &[u8]) -> bool {
        match *self {}
    }

    pub(crate) fn stop_waiting(&self) {
        match *self {}
    }

    pub(crate) fn close(&self) {
        match *self {}
    }

    #[cfg_attr(
        not(feature = "tracing"),
        expect(dead_code, reason = "only the layer has records")
    )]
    pub(crate) fn is_closed(&self) -> bool {
        match *self {}
    }

    pub(crate) fn waits(&self) -> bool {
        match *self {}
    }
}
