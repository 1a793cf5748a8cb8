//! One task per worker: waits for its frames and its death, and passes them to the watcher's loop.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::body::Body;
use super::input::Input;
use crate::WorkerId;
use crate::link::{FromWorker, LinkError, WatcherEnd};

/// How long a closed link may precede the worker's end before it counts as broken.
const LAST_MOMENTS: Duration = Duration::from_secs(1);

/// How many frames a dead worker may have left behind; more than that is a flood nobody misses.
const LEGACY: usize = 64;

/// The task that attends to a worker until it is dead; ends with this value.
#[derive(Debug)]
pub(crate) struct Attendant(JoinHandle<()>);

impl Attendant {
    /// Starts it on the current runtime.
    pub(crate) fn start(
        worker: WorkerId,
        body: Arc<Body>,
        end: Arc<WatcherEnd>,
        inbox: mpsc::Sender<Input>,
    ) -> Self {
        Self(tokio::spawn(async move {
            // The loop is gone when it takes nothing any more: then there is nobody to attend for.
            let _loop_is_gone = Messenger { worker, inbox }.follow(&body, end).await;
        }))
    }
}

impl Drop for Attendant {
    fn drop(&mut self) {
        self.0.abort();
    }
}

struct Messenger {
    worker: WorkerId,
    inbox: mpsc::Sender<Input>,
}

type Passed = Result<(), mpsc::error::SendError<Input>>;

impl Messenger {
    async fn follow(&self, body: &Body, end: Arc<WatcherEnd>) -> Passed {
        let error = loop {
            // A frame before the death it precedes.
            let frame = tokio::select! {
                biased;
                frame = end.receive() => frame,
                () = body.died() => return self.pass_last(&end).await,
            };
            match frame {
                Ok(frame) => self.pass(frame).await?,
                Err(error) => break error,
            }
        };
        // Our end of a failed link closes with the loop's copy of it.
        drop(end);
        self.outlive_link(body, error).await
    }

    /// An ordinary exit closes the link a moment before the process is dead, which is no failure.
    async fn outlive_link(&self, body: &Body, error: LinkError) -> Passed {
        let is_ordinary = matches!(error, LinkError::Closed)
            && tokio::time::timeout(LAST_MOMENTS, body.died())
                .await
                .is_ok();
        if !is_ordinary {
            let worker = self.worker;
            self.inbox.send(Input::LinkFailed { worker, error }).await?;
            body.died().await;
        }
        self.pass_death().await
    }

    async fn pass_last(&self, end: &WatcherEnd) -> Passed {
        for _ in 0..LEGACY {
            match end.try_receive() {
                Ok(Some(frame)) => self.pass(frame).await?,
                Ok(None) | Err(_) => break,
            }
        }
        self.pass_death().await
    }

    async fn pass(&self, frame: FromWorker) -> Passed {
        let worker = self.worker;
        self.inbox.send(Input::Frame { worker, frame }).await
    }

    async fn pass_death(&self) -> Passed {
        self.inbox
            .send(Input::Died {
                worker: self.worker,
            })
            .await
    }
}
