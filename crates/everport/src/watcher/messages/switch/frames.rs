//! Frames that wait: long ones as they are, short ones packed together, so that what they take is little more than their
//! bytes. A window of the shortest frames, each with a place of its own, would take several windows of memory.

use std::collections::VecDeque;

/// Frames in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Frames {
    batches: VecDeque<Batch>,
    /// How many bytes of memory the batches have.
    room: usize,
    /// How many of the frames the switch itself has made.
    own: usize,
}

/// A frame that waits, or waited.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Waiting {
    pub(super) frame: Vec<u8>,
    /// Whether the switch has made it.
    pub(super) is_own: bool,
}

#[derive(Debug)]
enum Batch {
    One(Waiting),
    Pack(Pack),
}

/// Short frames, each with its mark before it.
#[derive(Debug, Default)]
struct Pack {
    bytes: Vec<u8>,
    /// Where the next one begins.
    next: usize,
}

/// What a batch takes besides its bytes: its place in the queue, and what the allocator needs.
const BATCH_COST: usize = 64;

/// Up to which length a frame is packed: those beyond are long compared with what a batch costs.
const SHORT: usize = 512;

/// How many bytes are packed together: few enough that those already taken from a pack do not matter.
const PACK: usize = 4096;

/// By how much a pack grows: it may be followed by a long frame soon, and nothing comes into it any more after that.
const STEP: usize = 256;

/// The bytes before a frame in a pack: its length, and in the last bit whether the switch has made it.
const MARK: usize = size_of::<u16>();

const _: () = assert!(SHORT << 1 <= u16::MAX as usize);

impl Frames {
    pub(super) fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// How many bytes of memory they take, roughly.
    pub(super) fn weight(&self) -> usize {
        self.room + self.batches.len() * BATCH_COST
    }

    /// How many of them the switch itself has made.
    pub(super) fn own(&self) -> usize {
        self.own
    }

    pub(super) fn push(&mut self, waiting: Waiting) {
        self.own += usize::from(waiting.is_own);
        // One that finds nobody before it will not be there for long, and need not be copied.
        if self.batches.is_empty() || waiting.frame.len() > SHORT {
            return self.add(Batch::One(waiting));
        }
        let has_room = |batch: Option<&mut Batch>| matches!(batch, Some(Batch::Pack(pack)) if pack.has_room_for(&waiting.frame));
        if !has_room(self.batches.back_mut()) {
            self.add(Batch::Pack(Pack::default()));
        }
        if let Some(Batch::Pack(pack)) = self.batches.back_mut() {
            self.room += pack.push(&waiting);
        }
    }

    pub(super) fn pop(&mut self) -> Option<Waiting> {
        let waiting = match self.batches.front_mut()? {
            Batch::Pack(pack) => {
                let waiting = pack.pop();
                if pack.is_empty() {
                    self.remove();
                }
                waiting
            }
            Batch::One(_) => match self.remove()? {
                Batch::One(waiting) => Some(waiting),
                Batch::Pack(_) => None,
            },
        }?;
        self.own -= usize::from(waiting.is_own);
        Some(waiting)
    }

    fn add(&mut self, batch: Batch) {
        self.room += batch.room();
        self.batches.push_back(batch);
    }

    fn remove(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.room -= batch.room();
        Some(batch)
    }
}

impl Batch {
    fn room(&self) -> usize {
        match self {
            Self::One(waiting) => waiting.frame.capacity(),
            Self::Pack(pack) => pack.bytes.capacity(),
        }
    }
}

impl Pack {
    fn is_empty(&self) -> bool {
        self.next >= self.bytes.len()
    }

    fn has_room_for(&self, frame: &[u8]) -> bool {
        self.bytes.len() + MARK + frame.len() <= PACK
    }

    /// Adds a short frame. How much memory that took.
    fn push(&mut self, waiting: &Waiting) -> usize {
        let before = self.bytes.capacity();
        let needed = MARK + waiting.frame.len();
        if before - self.bytes.len() < needed {
            self.bytes.reserve_exact(needed.next_multiple_of(STEP));
        }
        // No frame that is packed is longer than `SHORT`.
        let length = u16::try_from(waiting.frame.len()).unwrap_or_default();
        let mark = length << 1 | u16::from(waiting.is_own);
        self.bytes.extend(mark.to_le_bytes());
        self.bytes.extend_from_slice(&waiting.frame);
        self.bytes.capacity() - before
    }

    fn pop(&mut self) -> Option<Waiting> {
        let (mark, rest) = self.bytes.get(self.next..)?.split_first_chunk::<MARK>()?;
        let mark = u16::from_le_bytes(*mark);
        let length = usize::from(mark >> 1);
        let frame = rest.get(..length)?.to_vec();
        self.next += MARK + length;
        let is_own = mark & 1 == 1;
        Some(Waiting { frame, is_own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::WINDOW;
    use crate::random::Random;

    #[test]
    fn frames_come_as_they_went_in_and_leave_nothing_behind() {
        let mut random = Random(7);
        let mut frames = Frames::default();
        let mut expected = VecDeque::new();
        for turn in 0..20_000_u32 {
            // It fills and empties again and again.
            let is_filling = (turn / 1_000).is_multiple_of(2);
            if (random.below(10) < 7) == is_filling {
                let length = [1, 12, 100, SHORT, SHORT + 1, 9_000][random.below(6) as usize];
                let frame = vec![turn as u8; length];
                let is_own = random.below(4) == 0;
                let waiting = || Waiting {
                    frame: frame.clone(),
                    is_own,
                };
                frames.push(waiting());
                expected.push_back(waiting());
            } else {
                assert_eq!(frames.pop(), expected.pop_front());
            }
            let own = expected.iter().filter(|it| it.is_own).count();
            assert_eq!(frames.own(), own);
            assert_eq!(frames.is_empty(), expected.is_empty());
        }
        while let Some(waiting) = expected.pop_front() {
            assert_eq!(frames.pop(), Some(waiting));
        }
        assert_eq!(frames.pop(), None);
        assert_eq!((frames.weight(), frames.own()), (0, 0));
    }

    /// Whatever their lengths, the shortest that there are included.
    #[test]
    fn a_window_of_frames_takes_less_than_two_windows_of_memory() {
        let window = WINDOW as usize;
        for lengths in [&[12][..], &[23], &[12, SHORT + 1], &[SHORT], &[65_536]] {
            let mut frames = Frames::default();
            let mut bytes = 0;
            for length in lengths.iter().cycle() {
                bytes += length;
                if bytes > window {
                    break;
                }
                frames.push(Waiting {
                    frame: vec![0; *length],
                    is_own: false,
                });
            }
            let weight = frames.weight();
            assert!(
                (1..2 * window).contains(&weight),
                "{weight} for {lengths:?}"
            );
        }
    }
}
