//! A cluster of threads within a test: what it tells, and clients that are answered by one of its workers.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use everport::log::{Entry, Notice, Sink};
use everport::watcher::{Builder, ExitReason, Handle, RunError};
use everport::{Cluster, ListenError};
use tokio::io::AsyncWriteExt;
use tokio::task::JoinHandle;

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps what the watcher tells.
#[derive(Default)]
pub(crate) struct Told {
    notices: Mutex<Vec<Notice>>,
    changed: Condvar,
}

impl Sink for Told {
    fn write(&self, entry: Entry) {
        if let Entry::Notice(notice, _) = entry {
            self.notices.lock().unwrap().push(notice);
            self.changed.notify_all();
        }
    }
}

impl Told {
    /// What the first notice is to which the function has an answer. Blocks until there is one.
    #[track_caller]
    pub(crate) fn find<T>(&self, what: &str, answer: impl Fn(&Notice) -> Option<T>) -> T {
        self.find_nth(0, what, answer)
    }

    /// The same, with some of them passed over.
    #[track_caller]
    pub(crate) fn find_nth<T>(
        &self,
        passed_over: usize,
        what: &str,
        answer: impl Fn(&Notice) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut notices = self.notices.lock().unwrap();
        loop {
            if let Some(found) = notices.iter().filter_map(&answer).nth(passed_over) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not told: {what}\n{}", lines(&notices));
            notices = self.changed.wait_timeout(notices, left).unwrap().0;
        }
    }

    /// The first text that has all these parts.
    #[track_caller]
    pub(crate) fn text(&self, parts: &[&str]) -> String {
        self.find(&parts.join(" … "), |notice| {
            let text = notice.to_string();
            parts.iter().all(|part| text.contains(part)).then_some(text)
        })
    }

    /// Where the first text with this part is among all that was told so far.
    #[track_caller]
    pub(crate) fn place_of(&self, part: &str) -> usize {
        let notices = self.notices.lock().unwrap();
        let place = notices
            .iter()
            .position(|notice| notice.to_string().contains(part));
        place.unwrap_or_else(|| panic!("not told: {part}\n{}", lines(&notices)))
    }

    /// How many notices have this name so far.
    pub(crate) fn count(&self, event: &str) -> usize {
        let notices = self.notices.lock().unwrap();
        notices
            .iter()
            .filter(|notice| notice.event() == event)
            .count()
    }

    /// All that was told so far.
    pub(crate) fn lines(&self) -> String {
        lines(&self.notices.lock().unwrap())
    }
}

fn lines(notices: &[Notice]) -> String {
    let lines: Vec<_> = notices.iter().map(Notice::to_string).collect();
    lines.join("\n")
}

/// A cluster that runs on the test's runtime.
pub(crate) struct Scene {
    pub(crate) told: Arc<Told>,
    pub(crate) handle: Handle,
    pub(crate) running: JoinHandle<Result<ExitReason, RunError>>,
}

impl Scene {
    /// Starts it, with times that a test can wait for.
    pub(crate) fn start(builder: Builder) -> Self {
        let told = Arc::new(Told::default());
        let watcher = builder
            .settle(Duration::ZERO)
            .sink(told.clone())
            .build()
            .unwrap();
        Self {
            told,
            handle: watcher.handle(),
            running: tokio::spawn(watcher.run()),
        }
    }

    /// Waits for something in what is told, off the runtime.
    pub(crate) async fn see<T: Send + 'static>(
        &self,
        what: &'static str,
        answer: impl Fn(&Notice) -> Option<T> + Send + 'static,
    ) -> T {
        let told = Arc::clone(&self.told);
        tokio::task::spawn_blocking(move || told.find(what, answer))
            .await
            .unwrap()
    }

    pub(crate) async fn see_text(&self, parts: &'static [&'static str]) -> String {
        let told = Arc::clone(&self.told);
        tokio::task::spawn_blocking(move || told.text(parts))
            .await
            .unwrap()
    }

    /// The address of its first port.
    pub(crate) async fn address(&self) -> SocketAddr {
        self.see("a port", |notice| match notice {
            Notice::PortOpened { address, .. } => address.to_string().parse().ok(),
            _ => None,
        })
        .await
    }

    pub(crate) async fn stop(self) -> Result<ExitReason, RunError> {
        self.handle.stop();
        self.end().await
    }

    pub(crate) async fn end(self) -> Result<ExitReason, RunError> {
        let ended = tokio::time::timeout(PATIENCE, self.running).await;
        let told = || self.told.lines();
        ended
            .unwrap_or_else(|_| panic!("it does not end:\n{}", told()))
            .unwrap()
    }
}

/// Answers each connection with `worker slot generation`, until the drain.
pub(crate) async fn answer(cluster: Cluster) -> Result<(), ListenError> {
    answer_at(&cluster, "127.0.0.1:0").await
}

pub(crate) async fn answer_at(cluster: &Cluster, address: &str) -> Result<(), ListenError> {
    let listener = cluster.listen(address).await?;
    let identity = |cluster: &Cluster| {
        Some(format!(
            "{} {} {}",
            cluster.id()?,
            cluster.slot()?,
            cluster.generation()?
        ))
    };
    let text = identity(cluster).expect("a thread is a worker");
    loop {
        let accepted = tokio::select! {
            () = cluster.terminated() => break,
            accepted = listener.accept() => accepted,
        };
        let (mut connection, _) = accepted.map_err(|error| ListenError::System {
            address: everport::PortAddress::unix("@none"),
            error,
        })?;
        let text = text.clone();
        tokio::spawn(async move {
            // A client that has gone wants no answer.
            drop(connection.write_all(text.as_bytes()).await);
        });
    }
    // A watcher that is gone needs no report.
    drop(cluster.leave().await);
    Ok(())
}

/// Who answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) worker: u64,
    pub(crate) slot: u32,
    pub(crate) generation: u64,
}

/// Asks once, on a connection of its own. Blocks.
pub(crate) fn ask(address: SocketAddr) -> io::Result<Answer> {
    let mut connection = TcpStream::connect_timeout(&address, PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let mut text = String::new();
    connection.read_to_string(&mut text)?;
    let numbers: Vec<u64> = text.split(' ').filter_map(|it| it.parse().ok()).collect();
    let &[worker, slot, generation] = numbers.as_slice() else {
        return Err(io::Error::other(format!("no answer but {text:?}")));
    };
    Ok(Answer {
        worker,
        slot: u32::try_from(slot).unwrap_or(u32::MAX),
        generation,
    })
}

/// The same without blocking the runtime.
pub(crate) async fn ask_from(address: SocketAddr) -> io::Result<Answer> {
    tokio::task::spawn_blocking(move || ask(address))
        .await
        .unwrap()
}
