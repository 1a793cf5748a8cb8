//! Which worker gets a connection that the watcher passes on.

use std::fmt;

/// Which worker gets the next connection of a port that is shared by [`crate::Sharing::Dispatch`]. Only those that
/// serve get any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Placement {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The one with the fewest open connections, as far as it has told of their ends; among equals each in turn.
    Fewest,
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RoundRobin => "round-robin",
            Self::Fewest => "fewest",
        })
    }
}
