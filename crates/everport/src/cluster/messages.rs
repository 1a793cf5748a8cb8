//! Messages to and from the watcher's application and other workers.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use everport_core::WorkerId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::runtime::Handle;

use super::Cluster;
use super::outbox::{Outbox, TooLate};
use super::state::State;
use crate::link::Welcome;
use crate::messages::{
    CallError, Closed, Endpoint, Message, Messages, Peer, SendError, SubscribeError,
};

impl Cluster {
    /// Sends a message to the application that the watcher is embedded in. It is dropped there when nobody has subscribed
    /// to the event, as it always is by the `everport` command.
    ///
    /// The event is a name of 1 to 255 bytes. The value is sent as JSON, so that workers of two releases, and of other
    /// languages, understand each other; it may be as long as the watcher's limit of messages allows, which is 16 MiB
    /// unless it was set.
    ///
    /// This resolves when the message was handed over whole to the socket. It waits as long as the receiver does not
    /// take what it was sent before: up to 256 KiB are on their way from one sender to one receiver. A message arrives
    /// once or, when either side dies, not at all; what one sender sends one receiver, one after the other, arrives
    /// in that order.
    ///
    /// Standalone, messages are sent to nobody.
    ///
    /// ```no_run
    /// #[derive(serde::Serialize)]
    /// struct Progress { job: u64, percent: u8 }
    ///
    /// # async fn example(cluster: &everport::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// cluster.send("progress", &Progress { job: 7, percent: 50 }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// When the future is dropped before it resolves, the message is sent whole or not at all.
    ///
    /// # Errors
    /// See [`SendError`].
    pub async fn send<T: Serialize + ?Sized>(
        &self,
        event: &str,
        value: &T,
    ) -> Result<(), SendError> {
        let messages = &self.state.messages;
        messages.send(Peer::Watcher, event, value).await
    }

    /// Sends a message to one worker, which may be this one. Otherwise as [`Cluster::send`].
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
        let messages = &self.state.messages;
        messages.send(Peer::Worker(worker), event, value).await
    }

    /// Sends a message to all other workers that are there now: those that were spawned and have not ended. It resolves
    /// when it was sent to all of them; one that takes no messages keeps this from resolving, but not the others
    /// from getting theirs. Workers that end meanwhile are passed over. Otherwise as [`Cluster::send`].
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
        self.state.messages.broadcast(event, value).await
    }

    /// Subscribes to the messages of an event, from whomever they come. One subscription to an event is possible at a time;
    /// dropping it frees the event. A message that comes while nobody has subscribed to its event is dropped.
    ///
    /// Whoever subscribes before it is [`Cluster::ready`] misses nothing that is sent to it as a ready worker. Messages
    /// go on during a drain, and until the worker ends; one that uses them for the first time after it
    /// has left gets none.
    ///
    /// ```no_run
    /// # async fn example(cluster: everport::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut flags = cluster.messages::<Vec<String>>("flags")?;
    /// tokio::spawn(async move {
    ///     while let Some(message) = flags.next().await {
    ///         match message {
    ///             Ok(message) => println!("{} says {:?}", message.from, message.value),
    ///             Err(error) => eprintln!("{error}"),
    ///         }
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscribeError::Taken`] when this worker has subscribed to the event already, or no event can have this name.
    pub fn messages<T: DeserializeOwned>(
        &self,
        event: &str,
    ) -> Result<Messages<T>, SubscribeError> {
        self.state.messages.messages(event)
    }

    /// Sends a request to the watcher's application or to a worker, and waits for the answer, no longer than
    /// `timeout`, which counts from now. Both are JSON, as with [`Cluster::send`].
    ///
    /// When the worker ends, this fails at once. Whether the request was answered before that is not known; nothing is
    /// ever asked twice. Up to 64 requests of one event are with one peer at a time. Among them, those longer than
    /// 256 KiB have 16 MiB together at most, unless there is one of them alone that has more. Those beyond wait for them; short
    /// ones pass a long one that waits.
    ///
    /// ```no_run
    /// # async fn example(cluster: &everport::Cluster, worker: everport::WorkerId) -> Result<(), Box<dyn std::error::Error>> {
    /// let second = std::time::Duration::from_secs(1);
    /// let hits: u64 = cluster.call(worker, "hits", "/index.html", second).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// When the future is dropped before it resolves, the request is sent whole or not at all, and its answer is dropped.
    ///
    /// # Errors
    /// See [`CallError`]. [`CallError::Standalone`] when this process runs standalone.
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
        let messages = &self.state.messages;
        messages.call(to.into(), event, value, timeout).await
    }

    /// Answers the requests of an event, for as long as this worker lives: it cannot be taken back. Each request is a task on the runtime that
    /// [`Cluster::join`] was called on, and up to 64 of each event and each caller run at a time: fewer if they are long, see
    /// [`Cluster::call`]. A handler that panics fails the one call, and the caller is told so.
    ///
    /// Messages and requests do not mix: the same event can be answered here and subscribed to with
    /// [`Cluster::messages`].
    ///
    /// A handler may call others. Handlers that call each other in a circle can come to wait for each other, when there are
    /// as many of them as can be everywhere in the circle: 64, or of those longer than 256 KiB as many as have 16 MiB together.
    /// The timeouts of the calls end that.
    ///
    /// ```no_run
    /// # fn example(cluster: &everport::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// use everport::messages::Message;
    ///
    /// cluster.answer("sum", async |request: Message<Vec<i64>>| request.value.iter().sum::<i64>())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`SubscribeError::Answered`] when this worker answers the event already, or no event can have this name.
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
        self.state.messages.answer(event, handler)
    }
}

/// A worker's endpoint, or that of a standalone process.
pub(super) fn endpoint(
    identity: Option<&Welcome>,
    outbox: &Arc<Outbox>,
    runtime: &Handle,
) -> Endpoint {
    let Some(identity) = identity else {
        return Endpoint::alone();
    };
    let outbox = Arc::clone(outbox);
    let open = move || {
        outbox.open_messages().map_err(|too_late| match too_late {
            TooLate::LinkLost => Closed::WatcherGone,
            TooLate::Left => Closed::Unavailable("this worker has left its cluster".into()),
        })
    };
    Endpoint::new(identity.worker.into(), runtime.clone(), Box::new(open))
}

/// What the watcher has answered about this worker's message socket.
pub(super) fn open_messages(state: &State, limit: u32, socket: Option<OwnedFd>) {
    match socket {
        Some(socket) if limit > 0 => state.messages.open(socket, limit),
        _ => state
            .messages
            .refuse("the watcher has no socket for them (its log says why)"),
    }
}
