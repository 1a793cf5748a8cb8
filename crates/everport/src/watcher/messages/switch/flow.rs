//! One lane from one peer to another: what waits, what was delivered, and what has to be credited.

use super::frames::{Frames, Waiting};
use super::{Breach, length_of};
use crate::messages::{Disorder, Frame, Peer, Progress};

/// Frames for one peer from another, through one lane.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    frames: Frames,
    /// How many bytes of the sender's wait in `frames`.
    waiting: u32,
    /// How many were delivered and not credited.
    delivered: u32,
    /// The same of frames that the switch itself has made: nobody gets credit for those.
    delivered_own: u32,
}

impl Incoming {
    pub(super) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// How many bytes of memory what waits takes, roughly.
    pub(super) fn weight(&self) -> usize {
        self.frames.weight()
    }

    /// How many bytes wait.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn waiting(&self) -> u32 {
        self.waiting
    }

    /// How many bytes of the sender's window are in use here.
    pub(super) fn uncredited(&self) -> u32 {
        self.waiting + self.delivered
    }

    pub(super) fn push(&mut self, frame: Vec<u8>) {
        self.waiting += length_of(&frame);
        self.frames.push(Waiting {
            frame,
            is_own: false,
        });
    }

    pub(super) fn push_own(&mut self, frame: Vec<u8>) {
        self.frames.push(Waiting {
            frame,
            is_own: true,
        });
    }

    /// Delivers the next frame. Whether the switch has made it, too.
    pub(super) fn pop(&mut self) -> Option<(Vec<u8>, bool)> {
        let Waiting { frame, is_own } = self.frames.pop()?;
        let length = length_of(&frame);
        if is_own {
            // A peer may have us answer without end, and never credit that.
            self.delivered_own = self.delivered_own.saturating_add(length);
        } else {
            self.waiting -= length;
            self.delivered += length;
        }
        Some((frame, is_own))
    }

    /// The receiver has consumed so much. How much of that the sender gets credit for.
    pub(super) fn credit(&mut self, sender: Peer, bytes: u32) -> Result<u32, Breach> {
        // What we have made came before all that the peer has sent itself.
        let own = bytes.min(self.delivered_own);
        let owed = bytes - own;
        if let Some(excess @ 1..) = owed.checked_sub(self.delivered) {
            return Err(Breach::Overcredited { to: sender, excess });
        }
        self.delivered_own -= own;
        self.delivered -= owed;
        Ok(owed)
    }

    /// Forgets what waits. How many frames of the switch's own were among it.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(self).frames.own()
    }
}

/// What one peer sends to another through one lane, as far as the sender is concerned.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    progress: Progress,
    /// Whether the message that is being sent is dropped: its receiver did not use messages when it began.
    is_dropped: bool,
    /// How much credit the sender has yet to be told of.
    credit: u32,
}

impl Outgoing {
    /// A frame has come. Whether it is dropped.
    pub(super) fn note(&mut self, frame: &Frame<'_>, is_heard: bool) -> Result<bool, Disorder> {
        match frame {
            Frame::First { length, part, .. } => {
                self.progress.begin(*length, part.len())?;
                self.is_dropped = !is_heard;
            }
            Frame::More { part, .. } => self.progress.go_on(part.len())?,
            _ => {}
        }
        Ok(self.is_dropped)
    }

    pub(super) fn untold_credit(&self) -> u32 {
        self.credit
    }

    pub(super) fn owe(&mut self, bytes: u32) {
        self.credit += bytes;
    }

    /// The credit to tell of, if there is any.
    pub(super) fn take_credit(&mut self) -> Option<u32> {
        Some(std::mem::take(&mut self.credit)).filter(|bytes| *bytes > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_our_own_that_are_never_credited_can_be_as_many_as_there_are() {
        let mut incoming = Incoming {
            delivered_own: u32::MAX - 10,
            ..Incoming::default()
        };
        incoming.push_own(vec![0; 22]);
        assert_eq!(incoming.pop(), Some((vec![0; 22], true)));
        incoming.push(vec![0; 5]);
        assert_eq!(incoming.pop(), Some((vec![0; 5], false)));
        assert_eq!(incoming.credit(Peer::Watcher, u32::MAX), Ok(0));
        assert_eq!(incoming.credit(Peer::Watcher, 5), Ok(5));
    }
}
