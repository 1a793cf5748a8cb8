//! Makes listening sockets; used by the watcher for the cluster and by a standalone worker for itself.

mod error;

pub use error::{BindCause, BindError};
