//! How long a ring can be.

/// How long the data of a ring is: a power of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(u32);

impl Size {
    /// Room for thousands of records: a worker that logs 50,000 a second fills it in a tenth of a second.
    pub(crate) const DEFAULT: Self = Self(1024 * 1024);
    /// Records of any length have room, one beside the other.
    const LEAST: u32 = 256 * 1024;
    /// What a dead worker left is taken before its end is told and it is replaced: that takes less than half a second.
    /// And it has to wait in memory until it is written.
    const MOST: u32 = 64 * 1024 * 1024;

    /// The next size that a ring can have.
    pub(crate) fn at_least(bytes: u64) -> Self {
        let bytes = u32::try_from(bytes).unwrap_or(Self::MOST);
        Self(bytes.clamp(Self::LEAST, Self::MOST).next_power_of_two())
    }

    /// The size that a watcher says its ring has, if a ring can be that long.
    pub(crate) fn checked(bytes: u32) -> Option<Self> {
        let can_be = bytes.is_power_of_two() && (Self::LEAST..=Self::MOST).contains(&bytes);
        can_be.then_some(Self(bytes))
    }

    pub(crate) fn bytes(self) -> u32 {
        self.0
    }
}
