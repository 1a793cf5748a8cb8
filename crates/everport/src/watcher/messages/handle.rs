//! Messages between the application that the watcher is embedded in and the workers.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::super::Handle;
use crate::WorkerId;
use crate::messages::{CallError, Message, Messages, Peer, SendError, SubscribeError};

/// Messages from and to the workers.
///
/// Whatever is used here can be used before [`Watcher::run`](crate::Watcher::run) has begun: what is sent then waits for it.
/// After the watcher's end everything fails with `WatcherGone`. What an application that uses none of this is sent is
/// dropped, and calls to it fail with `NobodyAnswers`.
impl Handle {
    /// Sends a message to all workers that are there now: those that were spawned and have not ended. Otherwise as
    /// [`Cluster::broadcast`](crate::Cluster::broadcast).
    ///
    /// ```no_run
    /// # async fn example(handle: &everport::watcher::Handle) -> Result<(), Box<dyn std::error::Error>> {
    /// handle.broadcast("reload", "flags.json").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// When the future is dropped before it resolves, each worker is sent the message whole or not at all.
    ///
    /// # Errors
    /// See [`SendError`]; never [`SendError::WorkerGone`].
    pub async fn broadcast<T: Serialize + ?Sized>(
        &self,
        event: &str,
        value: &T,
    ) -> Result<(), SendError> {
        self.messages.broadcast(event, value).await
    }

    /// Sends a message to one worker. [`Handle::status`] tells which there are. Otherwise as
    /// [`Cluster::send`](crate::Cluster::send).
    ///
    /// # Cancel safety
    /// When the future is dropped before it resolves, the message is sent whole or not at all.
    ///
    /// # Errors
    /// [`SendError::WorkerGone`] at once when the worker has ended or ends while this waits for it; else see [`SendError`].
    pub async fn send_to<T: Serialize + ?Sized>(
        &self,
        worker: WorkerId,
        event: &str,
        value: &T,
    ) -> Result<(), SendError> {
        self.messages.send(Peer::Worker(worker), event, value).await
    }

    /// Subscribes to the messages of an event that workers [send](crate::Cluster::send) to the watcher. One subscription to
    /// an event is possible at a time; dropping it frees the event. A message that comes while nobody has subscribed to its
    /// event is dropped, so subscribe before [`Watcher::run`](crate::Watcher::run).
    ///
    /// ```no_run
    /// # async fn example(watcher: everport::Watcher) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut progress = watcher.handle().messages::<u8>("progress")?;
    /// tokio::spawn(async move {
    ///     while let Some(message) = progress.next().await {
    ///         match message {
    ///             Ok(message) => println!("{}: {} %", message.from, message.value),
    ///             Err(error) => eprintln!("{error}"),
    ///         }
    ///     }
    /// });
    /// watcher.run().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscribeError::Taken`] when somebody has subscribed to the event here already, or no event can have this name.
    pub fn messages<T: DeserializeOwned>(
        &self,
        event: &str,
    ) -> Result<Messages<T>, SubscribeError> {
        self.messages.messages(event)
    }

    /// Sends a request to a worker and waits for its answer, no longer than `timeout`, which counts from now.
    /// Otherwise as [`Cluster::call`](crate::Cluster::call).
    ///
    /// ```no_run
    /// # async fn example(handle: &everport::watcher::Handle) -> Result<(), Box<dyn std::error::Error>> {
    /// let second = std::time::Duration::from_secs(1);
    /// for worker in handle.status().await?.workers {
    ///     let open: usize = handle.call(worker.id, "connections", &(), second).await?;
    ///     println!("{}: {open} connections", worker.id);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// When the future is dropped before it resolves, the request is sent whole or not at all, and its answer is dropped.
    ///
    /// # Errors
    /// See [`CallError`].
    ///
    /// # Panics
    /// Outside of a tokio runtime that has its time enabled.
    pub async fn call<Q, A>(
        &self,
        to: impl Into<Peer>,
        event: &str,
        value: &Q,
        timeout: Duration,
    ) -> Result<A, CallError>
    where
        Q: Serialize + ?Sized,
        A: DeserializeOwned,
    {
        self.messages.call(to.into(), event, value, timeout).await
    }

    /// Answers the requests of an event that workers [call](crate::Cluster::call) the watcher with, for as long as it runs: it cannot be
    /// taken back. Each request is a task on the runtime that the watcher runs on. Otherwise as
    /// [`Cluster::answer`](crate::Cluster::answer).
    ///
    /// ```no_run
    /// # fn example(handle: &everport::watcher::Handle) -> Result<(), Box<dyn std::error::Error>> {
    /// use everport::messages::Message;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// let next = AtomicU64::new(1);
    /// handle.answer("next-number", move |_request: Message<()>| {
    ///     let number = next.fetch_add(1, Ordering::Relaxed);
    ///     async move { number }
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscribeError::Answered`] when somebody answers the event here already, or no event can have this name.
    pub fn answer<Q, A, Handler, Answering>(
        &self,
        event: &str,
        handler: Handler,
    ) -> Result<(), SubscribeError>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + 'static,
        Handler: Fn(Message<Q>) -> Answering + Send + Sync + 'static,
        Answering: Future<Output = A> + Send + 'static,
    {
        self.messages.answer(event, handler)
    }
}
