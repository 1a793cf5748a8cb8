//! What can go wrong when the log is set up.

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// `RUST_LOG` is no filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// There is a subscriber, and there can be one only: in a process, or for a worker that is a thread.
    #[error(
        "cannot set up logging: there is a tracing subscriber already (add cluster.log_layer() to that one instead of calling everport::logging::init)"
    )]
    SubscriberSet,
    /// The process has a logger, and can have one only.
    #[error(
        "cannot log what is logged through the log crate: this process has a logger already (remove that one, or add cluster.log_layer() to a subscriber of your own instead of calling everport::logging::init)"
    )]
    LoggerSet,
}

/// A text that is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// That of the environment.
    #[error(
        "RUST_LOG is {value:?}, in which {reason} (give a level, targets with levels, or both: RUST_LOG=warn,shop::db=debug)"
    )]
    Environment {
        /// What it is set to.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// One that the program has given.
    #[error(
        "cannot filter the log by {value:?}, in which {reason} (give a level, targets with levels, or both: warn,shop::db=debug)"
    )]
    Given {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
}
