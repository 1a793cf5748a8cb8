//! A worker that exchanges messages, and does so as it is told to.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use everport::messages::{CallError, Message, Messages, Peer, SendError};
use everport::{Cluster, WorkerId};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::end::Crash;
use super::trade::Trade;

/// What was noted, and a way to wait for more of it.
#[derive(Default)]
pub(super) struct Notes {
    noted: Mutex<VecDeque<Value>>,
    more: Notify,
}

/// Who does what it is told.
#[derive(Clone)]
struct Doer {
    cluster: Cluster,
    crash: Crash,
    trade: Trade,
    /// Ends a drain that was held up.
    gate: Arc<Notify>,
}

/// Answers, listens, and does what it is told.
pub(super) fn take_part(
    cluster: &Cluster,
    crash: &Crash,
    trade: Trade,
) -> Result<(), Box<dyn Error>> {
    let notes = Arc::new(Notes::default());
    tokio::spawn(Arc::clone(&notes).collect(cluster.messages::<Value>("note")?));
    trade.take_part(cluster, &notes)?;
    cluster.answer("noted", move |asked: Message<usize>| {
        let notes = Arc::clone(&notes);
        async move { notes.take(asked.value).await }
    })?;
    cluster.answer("echo", async |asked: Message<Value>| asked.value)?;
    cluster.answer("long", async |asked: Message<usize>| {
        "x".repeat(asked.value)
    })?;
    cluster.answer("never", async |_: Message<()>| {
        std::future::pending::<()>().await;
    })?;
    cluster.answer("panic", async |_: Message<()>| -> () {
        panic!("told to panic");
    })?;
    let doer = Doer {
        cluster: cluster.clone(),
        crash: crash.clone(),
        trade,
        gate: Arc::default(),
    };
    cluster.answer("do", move |order: Message<Value>| {
        let doer = doer.clone();
        async move { doer.carry_out(order.value).await }
    })?;
    Ok(())
}

/// Tries what can be sent without knowing anybody, and prints what comes of it.
pub(crate) async fn try_all(cluster: &Cluster) {
    let second = Duration::from_secs(1);
    println!(
        "sent to the watcher: {}",
        told(cluster.send("note", &1).await)
    );
    println!("sent to all: {}", told(cluster.broadcast("note", &2).await));
    let long = "x".repeat(100_000);
    println!(
        "sent at length: {}",
        told(cluster.send("note", &long).await)
    );
    let called: Result<Value, CallError> = cluster.call(Peer::Watcher, "echo", &3, second).await;
    println!("called the watcher: {}", told(called.map(drop)));
}

fn told<E: Error>(result: Result<(), E>) -> String {
    result.map_or_else(|error| error.to_string(), |()| "done".to_owned())
}

impl Notes {
    /// Notes what comes, as it was understood.
    pub(super) async fn collect<T>(self: Arc<Self>, mut messages: Messages<T>)
    where
        T: Serialize + DeserializeOwned,
    {
        while let Some(message) = messages.next().await {
            let noted = match message {
                Ok(Message { from, value }) => json!([from.to_string(), value]),
                Err(error) => json!(error.to_string()),
            };
            self.lock().push_back(noted);
            self.more.notify_one();
        }
    }

    /// The next so many.
    async fn take(&self, count: usize) -> Vec<Value> {
        loop {
            let more = self.more.notified();
            if let Some(noted) = self.take_now(count) {
                return noted;
            }
            more.await;
        }
    }

    fn take_now(&self, count: usize) -> Option<Vec<Value>> {
        let mut noted = self.lock();
        (noted.len() >= count).then(|| noted.drain(..count).collect())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Value>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Doer {
    /// Does one thing: `{"do": …, "to": …, "event": …, "value": …}`. Says what came of it.
    async fn carry_out(self, order: Value) -> Value {
        let to = peer(&order["to"]);
        let Self { cluster, trade, .. } = &self;
        match order["do"].as_str() {
            Some("hold-drain") => self.hold_drain(order["value"].clone()),
            Some("let-go") => {
                self.gate.notify_one();
                json!("done")
            }
            Some("sell") => trade.sell(cluster, to).await,
            Some("sell-to-all") => outcome(trade.sell_to_all(cluster).await),
            Some("move") => trade.move_one(cluster, to).await,
            Some("order") => trade.order(cluster, to).await,
            Some("ask-for-a-price") => trade.ask_for_a_price(cluster, to).await,
            _ => pass_on(self.cluster, self.crash, order).await,
        }
    }

    /// Has its drain last until it is let go; then this is the last that it sends to the watcher.
    fn hold_drain(self, last_words: Value) -> Value {
        let cluster = self.cluster.clone();
        cluster.on_terminate(async move || {
            self.gate.notified().await;
            // Whoever waits for them in vain fails.
            self.cluster.send("last words", &last_words).await.ok();
        });
        json!("held")
    }
}

/// Does what is done with any value.
async fn pass_on(cluster: Cluster, crash: Crash, order: Value) -> Value {
    let event = order["event"].as_str().unwrap_or("note").to_owned();
    let value = order["value"].clone();
    let to = peer(&order["to"]);
    match order["do"].as_str() {
        Some("send") => outcome(send(&cluster, to, &event, &value).await),
        Some("send-long") => {
            let long = "x".repeat(value.as_u64().unwrap_or_default() as usize);
            outcome(send(&cluster, to, &event, &json!(long)).await)
        }
        Some("broadcast") => outcome(cluster.broadcast(&event, &value).await),
        Some("call") => {
            let deadline = Duration::from_millis(order["deadline"].as_u64().unwrap_or(60_000));
            let called: Result<Value, CallError> = cluster.call(to, &event, &value, deadline).await;
            called.unwrap_or_else(|error| json!({ "error": error.to_string() }))
        }
        Some("count") => {
            tokio::spawn(count(cluster, crash, to, event, value.as_u64()));
            json!("begun")
        }
        Some("hoard") => hoard(&cluster, &event),
        _ => json!({ "error": format!("no such order: {order}") }),
    }
}

pub(super) async fn send(
    cluster: &Cluster,
    to: Peer,
    event: &str,
    value: &Value,
) -> Result<(), SendError> {
    match to {
        Peer::Watcher => cluster.send(event, value).await,
        Peer::Worker(worker) => cluster.send_to(worker, event, value).await,
    }
}

/// Sends numbers from 0 on, each with a kilobyte of other things: without end, or so many and dies at once.
async fn count(cluster: Cluster, crash: Crash, to: Peer, event: String, end: Option<u64>) {
    let ballast = "x".repeat(1000);
    for number in 0..end.unwrap_or(u64::MAX) {
        let sent = send(&cluster, to, &event, &json!([number, ballast])).await;
        if sent.is_err() {
            return;
        }
    }
    crash.ask_for_the_hardest();
}

/// Subscribes to an event and takes nothing.
fn hoard(cluster: &Cluster, event: &str) -> Value {
    match cluster.messages::<Value>(event) {
        Ok(messages) => {
            std::mem::forget(messages);
            json!("hoarding")
        }
        Err(error) => json!({ "error": error.to_string() }),
    }
}

pub(super) fn outcome<E: Error>(result: Result<(), E>) -> Value {
    match result {
        Ok(()) => json!("done"),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

/// A worker's number, or the watcher.
fn peer(to: &Value) -> Peer {
    to.as_u64()
        .map_or(Peer::Watcher, |worker| Peer::Worker(WorkerId(worker)))
}
