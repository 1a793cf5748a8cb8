//! A stream that is used in one direction, or the half of one that is used in both.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use rustix::net::Shutdown;
use tokio::io::Interest;
use tokio::net::UnixStream;

/// One direction of a stream.
#[derive(Debug)]
pub(super) struct Half {
    stream: Arc<UnixStream>,
    /// What is shut down at the end, because the other half may live on.
    ends: Option<Shutdown>,
}

impl Half {
    /// A stream of which the other direction is not used.
    pub(super) fn whole(stream: UnixStream) -> Self {
        Self {
            stream: Arc::new(stream),
            ends: None,
        }
    }

    /// The reading and the writing half.
    pub(super) fn both(stream: UnixStream) -> (Self, Self) {
        let stream = Arc::new(stream);
        let half = |ends| Self {
            stream: Arc::clone(&stream),
            ends: Some(ends),
        };
        (half(Shutdown::Read), half(Shutdown::Write))
    }

    /// Tries until it does not have to wait. What was done in the last attempt is returned without another wait, so
    /// that nothing is done and then forgotten when the future is dropped.
    pub(super) async fn attempt<T>(
        &self,
        interest: Interest,
        attempt: impl FnMut() -> io::Result<T>,
    ) -> io::Result<T> {
        self.stream.async_io(interest, attempt).await
    }
}

impl AsFd for Half {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        if let Some(ends) = self.ends {
            // A stream that is closed already is what is wanted.
            let _closed = rustix::net::shutdown(&*self.stream, ends);
        }
    }
}
