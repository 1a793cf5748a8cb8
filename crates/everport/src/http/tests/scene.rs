//! A worker that serves HTTP, the watcher's part played by hand, and clients.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use everport_core::DrainReason;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::cluster::tests::harness::{Shared, Watcher, listening, within};
use crate::http::{IntoService, Server};
use crate::link::{Drained, FromWorker};
use crate::{Cluster, Sharing};

/// Longer than any test.
pub(super) const NEVER: Duration = Duration::from_secs(3600);
/// Longer than a test looks whether something happens, and short enough to be waited for.
pub(super) const SOON: Duration = Duration::from_millis(300);
/// Late enough for what a test does before it, on a machine that stands still now and then.
pub(super) const LATER: Duration = Duration::from_secs(2);

/// What a drain tells of one connection that was closed in a way that its client could expect.
pub(super) const CLOSED_ONE: Drained = Drained {
    finished: 0,
    closed: 1,
    cut: 0,
};

/// A worker that serves.
pub(super) struct Scene {
    pub(super) cluster: Cluster,
    pub(super) watcher: Watcher,
    pub(super) socket: Shared,
    pub(super) serving: JoinHandle<std::io::Result<()>>,
    /// Lets requests to `/slow` go on.
    pub(super) gate: Arc<Notify>,
}

impl Scene {
    /// Serves `Hello, World!`, and on `/slow` only when the gate opens.
    pub(super) async fn open(settings: impl FnOnce(Server) -> Server) -> Self {
        let gate = Arc::new(Notify::new());
        let opened = Arc::clone(&gate);
        let service = service_fn(move |request: Request<Incoming>| {
            let gate = Arc::clone(&opened);
            async move {
                if request.uri().path() == "/slow" {
                    gate.notified().await;
                }
                Ok::<_, Infallible>(Response::new("Hello, World!".to_owned()))
            }
        });
        Self::open_with(settings, gate, service).await
    }

    /// Serves something else.
    pub(super) async fn open_with<Kind: 'static>(
        settings: impl FnOnce(Server) -> Server,
        gate: Arc<Notify>,
        service: impl IntoService<Kind> + 'static,
    ) -> Self {
        let (cluster, mut watcher, listener, socket) = listening(Sharing::Reuseport).await;
        let server = settings(Server::new(&cluster));
        let serving = tokio::spawn(server.serve(listener, service));
        watcher.expect(FromWorker::Ready).await;
        Self {
            cluster,
            watcher,
            socket,
            serving,
            gate,
        }
    }

    /// A client that has been accepted.
    pub(super) async fn client(&self) -> Client {
        let open = self.cluster.state.connections.open();
        let client = Client(self.socket.connect().await);
        while self.cluster.state.connections.open() == open {
            tokio::task::yield_now().await;
        }
        client
    }

    /// Begins a drain, and waits until the worker knows.
    pub(super) async fn drain(&self, reason: DrainReason, timeout: Duration) {
        self.watcher
            .drain_because(reason, timeout, &[], Duration::from_millis(50));
        within(self.cluster.draining()).await;
    }

    /// The end of the worker as its watcher hears of it.
    pub(super) async fn end(mut self) -> Drained {
        within(self.serving).await.unwrap().unwrap();
        within(self.cluster.leave()).await.unwrap();
        match self.watcher.receive().await {
            FromWorker::Left(drained) => drained,
            other => panic!("{other:?} instead of the end"),
        }
    }
}

/// A client's connection.
pub(super) struct Client(pub(super) TcpStream);

impl Client {
    pub(super) async fn say(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.unwrap();
    }

    pub(super) async fn ask(&mut self, path: &str) {
        self.say(&format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"))
            .await;
    }

    /// The next answer, which ends in `Hello, World!`.
    pub(super) async fn answer(&mut self) -> String {
        let answer = self.said().await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// The next answer, whatever it is, which ends in `Hello, World!`.
    pub(super) async fn said(&mut self) -> String {
        self.read_until("Hello, World!").await
    }

    /// The head of the next answer.
    pub(super) async fn head(&mut self) -> String {
        self.read_until("\r\n\r\n").await
    }

    async fn read_until(&mut self, end: &str) -> String {
        let mut read = String::new();
        let mut byte = [0];
        while !read.ends_with(end) {
            within(self.0.read_exact(&mut byte)).await.unwrap();
            read.push(char::from(byte[0]));
        }
        read
    }

    /// What comes until the server closes the connection.
    pub(super) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        within(self.0.read_to_string(&mut rest)).await.unwrap();
        rest
    }
}

/// Whether an answer says that its connection closes.
pub(super) fn says_close(answer: &str) -> bool {
    answer.to_lowercase().contains("connection: close\r\n")
}
