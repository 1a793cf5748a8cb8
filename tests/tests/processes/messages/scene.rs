//! A cluster whose watcher is embedded in the test, and whose workers do as they are told by messages.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use everport::log::{Entry, Notice, Sink};
use everport::messages::CallError;
use everport::watcher::{Builder, ExitReason, Handle, RunError};
use everport::{SlotId, WorkerId};
use everport_tests::{Kind, PATIENCE};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::workers::{ARGUMENTS, Reins, workers_of};

/// A deadline that no call of these tests reaches unless something is wrong.
pub(super) const LONG: Duration = PATIENCE.saturating_mul(5);

/// A running cluster.
pub(super) struct Scene {
    pub(super) handle: Handle,
    pub(super) told: Arc<Told>,
    reins: Reins,
    running: JoinHandle<Result<ExitReason, RunError>>,
}

/// What the watcher has told.
#[derive(Default)]
pub(super) struct Told {
    notices: Mutex<Vec<Notice>>,
    changed: Condvar,
}

impl Scene {
    /// A cluster of so many ready workers.
    pub(super) async fn ready(kind: Kind, workers: u32) -> Self {
        Self::with(kind, workers, |builder| builder, |_| ()).await
    }

    /// The same, with other options, and with something done before it runs.
    pub(super) async fn with(
        kind: Kind,
        workers: u32,
        options: impl FnOnce(Builder) -> Builder,
        before: impl FnOnce(&Handle),
    ) -> Self {
        let (builder, reins) = workers_of(kind, workers, ARGUMENTS);
        let builder = options(builder.settle(Duration::ZERO));
        Self::of((builder, reins), before).await
    }

    /// The same of a watcher that is not built yet.
    pub(super) async fn of(
        (builder, reins): (Builder, Reins),
        before: impl FnOnce(&Handle),
    ) -> Self {
        let told = Arc::new(Told::default());
        let builder = builder.sink(told.clone());
        let watcher = builder.build().unwrap();
        let handle = watcher.handle();
        before(&handle);
        let running = tokio::spawn(watcher.run());
        let scene = Self {
            handle,
            told,
            reins,
            running,
        };
        scene.wait_for("the cluster is ready").await;
        scene
    }

    /// Waits until the watcher has told this.
    pub(super) async fn wait_for(&self, text: &str) {
        let wanted = text.to_owned();
        self.wait_until(text, move |notices| {
            let mut texts = notices.iter().map(ToString::to_string);
            texts.any(|it| it.contains(&wanted)).then_some(())
        })
        .await;
    }

    /// Waits until what it has told satisfies a condition.
    pub(super) async fn wait_until<T: Send + 'static>(
        &self,
        what: &str,
        condition: impl FnMut(&[Notice]) -> Option<T> + Send + 'static,
    ) -> T {
        let (told, what) = (Arc::clone(&self.told), what.to_owned());
        tokio::task::spawn_blocking(move || told.wait_until(&what, condition))
            .await
            .unwrap()
    }

    /// The ready workers, by their slots.
    pub(super) async fn workers(&self) -> Vec<WorkerId> {
        let status = self.handle.status().await.unwrap();
        let slots = (0..status.slots).map(SlotId);
        slots
            .filter_map(|slot| Some(status.serving(slot)?.id))
            .collect()
    }

    /// Has a worker do something: see the test worker's `carry_out`.
    pub(super) async fn order(&self, worker: WorkerId, order: Value) -> Value {
        self.call(worker, "do", &order).await.unwrap()
    }

    /// What a worker answers to a request.
    pub(super) async fn call(
        &self,
        worker: WorkerId,
        event: &str,
        value: &Value,
    ) -> Result<Value, CallError> {
        self.handle.call(worker, event, value, LONG).await
    }

    /// The next messages that a worker gets, as it tells: who sent each of them, and what.
    pub(super) async fn noted(&self, worker: WorkerId, count: usize) -> Value {
        self.call(worker, "noted", &json!(count)).await.unwrap()
    }

    /// Has a worker die at once: a process is killed, a thread panics.
    pub(super) fn kill(&self, worker: WorkerId) {
        self.reins.kill(worker, &self.told);
    }

    /// Has a worker stand still until it is to [go on](Self::go_on): a process is stopped, a thread is held.
    pub(super) fn halt(&self, worker: WorkerId) {
        self.reins.halt(worker, &self.told);
    }

    /// Has one that stands still go on.
    pub(super) fn go_on(&self, worker: WorkerId) {
        self.reins.go_on(worker, &self.told);
    }

    /// Stops the cluster and waits for its end.
    pub(super) async fn stop(self) -> ExitReason {
        self.handle.stop();
        self.running.await.unwrap().unwrap()
    }
}

impl Told {
    fn wait_until<T>(&self, what: &str, mut condition: impl FnMut(&[Notice]) -> Option<T>) -> T {
        let deadline = Instant::now() + LONG;
        let mut notices = self.notices.lock().unwrap();
        loop {
            if let Some(found) = condition(&notices) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let texts: Vec<String> = notices.iter().map(ToString::to_string).collect();
                panic!("waited in vain for: {what}\n{}", texts.join("\n"));
            }
            notices = self.changed.wait_timeout(notices, left).unwrap().0;
        }
    }

    /// The process of a worker that was started.
    pub(super) fn pid_of(&self, wanted: WorkerId) -> u32 {
        let notices = self.notices.lock().unwrap();
        let mut pids = notices.iter().filter_map(|notice| match notice {
            Notice::Spawned { worker, pid, .. } if *worker == wanted => Some(*pid),
            _ => None,
        });
        pids.next_back().expect("a worker that was started")
    }
}

impl Sink for Told {
    fn write(&self, entry: Entry) {
        if let Entry::Notice(notice, _) = entry {
            self.notices.lock().unwrap().push(notice);
            self.changed.notify_all();
        }
    }
}

/// The text of an answer that says what went wrong.
pub(super) fn error_of(answer: &Value) -> &str {
    answer["error"]
        .as_str()
        .unwrap_or_else(|| panic!("no error: {answer}"))
}
