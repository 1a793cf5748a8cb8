//! What can go wrong with messages.

use std::error::Error;
use std::time::Duration;

use everport_core::WorkerId;

use super::Peer;
use super::frame::LONGEST_EVENT;

/// Why a value could not be written as JSON, or read from it.
pub type ValueError = Box<dyn Error + Send + Sync>;

/// Why a message was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The worker has ended, before the message was sent whole, or never was.
    #[error("worker {0} is gone: it has ended or never was (its successor has another id)")]
    WorkerGone(WorkerId),
    /// The watcher, through which every message goes, has ended; or this worker has, a thread whose `Cluster` is used
    /// elsewhere.
    #[error("the watcher is gone, and every way to other workers with it (drain and leave)")]
    WatcherGone,
    /// The message is too long for this cluster.
    #[error(
        "a message of {length} bytes as JSON is longer than the limit of {limit} bytes (send it in parts, or raise \
         the watcher's limit of messages)"
    )]
    TooLong {
        /// How long the value is as JSON, in bytes.
        length: usize,
        /// The cluster's limit in bytes.
        limit: usize,
    },
    /// The value cannot be JSON.
    #[error("the value of `{event}` cannot be written as JSON (send a type that can be)")]
    Encode {
        /// What it was to be sent as.
        event: String,
        /// Why it cannot.
        #[source]
        error: ValueError,
    },
    /// No event can have this name.
    #[error(transparent)]
    EventName(#[from] EventNameError),
    /// This process cannot exchange messages.
    #[error("messages are not available: {0}")]
    Unavailable(String),
}

/// A name that no event can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}…` cannot be the name of an event: it has {} bytes, and 1 to {LONGEST_EVENT} are possible",
    .0.chars().take(20).collect::<String>(),
    .0.len()
)]
pub struct EventNameError(pub(crate) String);

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The request was not sent.
    #[error(transparent)]
    Send(SendError),
    /// The worker has ended before it answered, or never was. Whether it had begun to is not known.
    #[error("worker {0} is gone and has not answered (its successor has another id)")]
    WorkerGone(WorkerId),
    /// The watcher has ended before the answer came.
    #[error("the watcher is gone, and every answer with it (drain and leave)")]
    WatcherGone,
    /// Nobody there answers requests of this event.
    #[error("{peer} answers no requests of the event `{event}` (it has to call `answer` first)")]
    NobodyAnswers {
        /// Who was called.
        peer: Peer,
        /// The request's event.
        event: String,
    },
    /// There was no answer in time. Whether one was on its way is not known.
    #[error("no answer came within {0:?}")]
    TimedOut(Duration),
    /// Whoever answered panicked.
    #[error("{peer} panicked as it answered: {message}")]
    Panicked {
        /// Who was called.
        peer: Peer,
        /// What the panic said.
        message: String,
    },
    /// The request was understood there as another type, or its answer could not be sent.
    #[error("{peer} cannot answer: {reason}")]
    Failed {
        /// Who was called.
        peer: Peer,
        /// Why.
        reason: String,
    },
    /// The answer is not of the expected type.
    #[error("the answer of {peer} is not what was expected (the two releases may differ)")]
    Decode {
        /// Who has answered.
        peer: Peer,
        /// What is wrong with it.
        #[source]
        error: ValueError,
    },
    /// There is nobody to call.
    #[error("there is nobody to call: this process runs standalone (`is_worker` tells)")]
    Standalone,
}

/// Why an event could not be subscribed to, or answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscribeError {
    /// There is a subscription to it already, here: on this `Cluster` or this watcher's handle.
    #[error("`{0}` is taken: there is a subscription to it already (share or drop that one)")]
    Taken(String),
    /// Its requests are answered already, here: on this `Cluster` or this watcher's handle.
    #[error("`{0}` is answered already (have that one function answer all of its requests)")]
    Answered(String),
    /// No event can have this name.
    #[error(transparent)]
    EventName(#[from] EventNameError),
}

/// A message that is not of the expected type. Those after it can be received as before.
#[derive(Debug, thiserror::Error)]
#[error("a message `{event}` from {from} is not what was expected (the two releases may differ)")]
#[non_exhaustive]
pub struct ReceiveError {
    /// Who sent it.
    pub from: Peer,
    /// What it was sent as.
    pub event: String,
    /// What is wrong with it.
    #[source]
    pub error: ValueError,
}

impl From<SendError> for CallError {
    fn from(error: SendError) -> Self {
        match error {
            SendError::WorkerGone(worker) => Self::WorkerGone(worker),
            SendError::WatcherGone => Self::WatcherGone,
            other => Self::Send(other),
        }
    }
}

impl From<EventNameError> for CallError {
    fn from(error: EventNameError) -> Self {
        Self::Send(error.into())
    }
}
