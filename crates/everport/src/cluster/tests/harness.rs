//! The watcher's part, played by hand.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

use everport_core::{DrainReason, Generation, PortId, SlotId, WorkerId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::cluster::builder::Surroundings;
use crate::link::{FromWatcher, FromWorker, LinkError, Session, WatcherEnd, Welcome, pair};
use crate::{Cluster, ClusterBuilder, JoinError, PortAddress, Sharing, TcpListener};

/// How long anything may take on a busy machine before a test fails.
pub(crate) const BOUND: Duration = Duration::from_secs(60);

/// How long the harness watches that something does not happen.
pub(crate) const MOMENT: Duration = Duration::from_millis(60);

/// Runs the test on both flavours of the runtime.
pub(crate) fn on_both_runtimes<Test: Future<Output = ()>>(test: impl Fn() -> Test) {
    let mut single = tokio::runtime::Builder::new_current_thread();
    let mut multi = tokio::runtime::Builder::new_multi_thread();
    for builder in [&mut single, multi.worker_threads(2)] {
        let runtime = builder.enable_all().build().unwrap();
        runtime.block_on(async { within(test()).await });
    }
}

/// Waits for what must happen.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(BOUND, future)
        .await
        .expect("nothing happened")
}

/// Whether the future stays pending for a moment. It is one of many looks, so that all tasks have had their turns since a
/// time in which this process did not run.
pub(crate) async fn pends<T>(future: impl Future<Output = T>) -> bool {
    const LOOKS: u32 = 20;
    let mut future = std::pin::pin!(future);
    for _ in 0..LOOKS {
        if tokio::time::timeout(MOMENT / LOOKS, &mut future)
            .await
            .is_ok()
        {
            return false;
        }
    }
    true
}

/// Notes that it was woken.
#[derive(Default)]
pub(crate) struct Woken(pub(crate) tokio::sync::Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// The watcher's end of a link, and what it has learnt.
pub(crate) struct Watcher {
    end: WatcherEnd,
    session: Session,
}

/// A watcher that has seen no frame, and the worker's end of its link.
pub(crate) fn watch() -> (Watcher, OwnedFd) {
    let (ours, theirs) = pair().unwrap();
    let watcher = Watcher {
        end: WatcherEnd::new(ours).unwrap(),
        session: Session::default(),
    };
    (watcher, theirs)
}

/// A watcher that has seen no frame, and the worker's future that joins it.
pub(crate) fn meet(
    builder: ClusterBuilder,
) -> (
    Watcher,
    impl Future<Output = Result<Cluster, JoinError>> + Send + 'static,
) {
    let (watcher, theirs) = watch();
    let (surroundings, _ended) = surroundings();
    (watcher, builder.join_through(theirs, surroundings))
}

/// What surrounds a worker in a test, and the exit codes that it was to be ended with.
pub(super) fn surroundings() -> (Surroundings, mpsc::UnboundedReceiver<i32>) {
    let (sender, ended) = mpsc::unbounded_channel();
    let surroundings = Surroundings {
        catches_signals: false,
        logs_records: false,
        // Most tests are over by then, and nobody listens any more.
        end: Box::new(move |code| sender.send(code).unwrap_or_default()),
    };
    (surroundings, ended)
}

/// A worker that joins and asks for a ring, and the watcher that has welcomed it.
pub(crate) async fn asks_for_a_ring() -> (Watcher, JoinHandle<Result<Cluster, JoinError>>) {
    let (mut watcher, theirs) = watch();
    let (mut surroundings, _ended) = surroundings();
    surroundings.logs_records = true;
    let joining = tokio::spawn(Cluster::builder().join_through(theirs, surroundings));
    watcher.welcome(Duration::from_secs(30)).await;
    watcher.expect(FromWorker::OpenRing).await;
    (watcher, joining)
}

/// A worker that has joined.
pub(crate) async fn joined() -> (Cluster, Watcher) {
    joined_with(Cluster::builder(), Duration::from_secs(30)).await
}

pub(crate) async fn joined_with(
    builder: ClusterBuilder,
    shutdown_timeout: Duration,
) -> (Cluster, Watcher) {
    let (cluster, watcher, _ended) = joined_mortally(builder, shutdown_timeout).await;
    (cluster, watcher)
}

/// A worker that has joined, and the exit codes that it was to be ended with.
pub(crate) async fn joined_mortally(
    builder: ClusterBuilder,
    shutdown_timeout: Duration,
) -> (Cluster, Watcher, mpsc::UnboundedReceiver<i32>) {
    let (mut watcher, theirs) = watch();
    let (surroundings, ended) = surroundings();
    let joining = tokio::spawn(builder.join_through(theirs, surroundings));
    watcher.welcome(shutdown_timeout).await;
    let cluster = within(joining).await.unwrap().unwrap();
    (cluster, watcher, ended)
}

/// A worker that has joined and asked for a ring, which it is given or not, with the level that is wished for.
#[cfg(all(feature = "tracing", target_os = "linux", not(everport_portable)))]
pub(crate) async fn logging(
    ring: Option<(&crate::ring::Ring, crate::log::WhenFull)>,
    level: crate::log::Level,
    overrides: bool,
) -> (Cluster, Watcher) {
    let (watcher, joining) = asks_for_a_ring().await;
    let answer = FromWatcher::Ring {
        size: ring.map_or(0, |_| crate::ring::Size::DEFAULT.bytes()),
        when_full: ring.map_or_else(Default::default, |(_, when_full)| when_full),
        level,
        overrides,
    };
    match ring {
        Some((ring, _)) => {
            let descriptors = [ring.consumer.memory(), ring.bell.as_fd()];
            watcher.end.send(&answer, &descriptors).unwrap();
        }
        None => watcher.send(&answer),
    }
    let cluster = within(joining).await.unwrap().unwrap();
    (cluster, watcher)
}

impl Watcher {
    /// Waits for the worker's greeting and welcomes it.
    pub(crate) async fn welcome(&mut self, shutdown_timeout: Duration) {
        let hello = self.receive().await;
        assert!(matches!(hello, FromWorker::Hello { .. }), "{hello:?}");
        self.send(&FromWatcher::Welcome(Welcome {
            version: 1,
            worker: WorkerId(7),
            slot: SlotId(2),
            generation: Generation(3),
            shutdown_timeout,
            max_connections: 0,
        }));
    }

    pub(crate) fn send(&self, frame: &FromWatcher) {
        self.end.send(frame, &[]).unwrap();
    }

    pub(crate) fn send_with(&self, frame: &FromWatcher, fds: &[std::os::fd::BorrowedFd<'_>]) {
        self.end.send(frame, fds).unwrap();
    }

    /// The next frame, which must be legal.
    pub(crate) async fn receive(&mut self) -> FromWorker {
        let frame = within(self.end.receive()).await.unwrap();
        self.session.accept(frame).unwrap()
    }

    pub(crate) async fn expect(&mut self, expected: FromWorker) {
        assert_eq!(self.receive().await, expected);
    }

    /// Whether the worker says nothing for a moment.
    pub(crate) async fn hears_nothing(&self) -> bool {
        pends(self.end.receive()).await
    }

    pub(crate) async fn expect_end_of_link(&self) {
        let end = within(self.end.receive()).await;
        assert!(matches!(end, Err(LinkError::Closed)), "{end:?}");
    }

    /// Answers the next request to listen with a socket.
    pub(crate) async fn grant(&mut self, port: u32, sharing: Sharing) -> Shared {
        let FromWorker::Listen { request, .. } = self.receive().await else {
            panic!("not a request to listen");
        };
        let socket = Shared::bind();
        let granted = FromWatcher::Granted {
            request,
            port: PortId(port),
            address: PortAddress::Tcp(socket.address),
            sharing: Some(sharing),
        };
        let fd = socket.listener.as_fd();
        self.end.send(&granted, &[fd]).unwrap();
        socket
    }

    pub(crate) fn lend(&self, port: u32, slot: u32, socket: &Shared) {
        let (port, slot) = (PortId(port), SlotId(slot));
        let fd = socket.listener.as_fd();
        self.end
            .send(&FromWatcher::Lend { port, slot }, &[fd])
            .unwrap();
    }

    pub(crate) fn drain(&self, timeout: Duration, empty: &[u32]) {
        self.drain_until_quiet(timeout, empty, Duration::from_millis(50));
    }

    pub(crate) fn drain_until_quiet(&self, timeout: Duration, empty: &[u32], quiet: Duration) {
        self.drain_because(DrainReason::Rollout, timeout, empty, quiet);
    }

    pub(crate) fn drain_because(
        &self,
        reason: DrainReason,
        timeout: Duration,
        empty: &[u32],
        quiet: Duration,
    ) {
        self.send(&FromWatcher::Drain {
            reason,
            timeout,
            empty: empty.iter().map(|port| PortId(*port)).collect(),
            quiet,
        });
    }
}

/// A listening socket of the cluster, held by the watcher.
pub(crate) struct Shared {
    pub(crate) listener: std::net::TcpListener,
    pub(crate) address: SocketAddr,
}

impl Shared {
    pub(crate) fn bind() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        Self { listener, address }
    }

    /// A client whose connection waits to be accepted.
    pub(crate) async fn connect(&self) -> tokio::net::TcpStream {
        within(tokio::net::TcpStream::connect(self.address))
            .await
            .unwrap()
    }
}

/// A worker that listens on port 1.
pub(crate) async fn listening(sharing: Sharing) -> (Cluster, Watcher, TcpListener, Shared) {
    let (cluster, mut watcher) = joined().await;
    let (listener, socket) = listen(&cluster, &mut watcher, 1, sharing).await;
    (cluster, watcher, listener, socket)
}

/// Makes the worker listen.
pub(crate) async fn listen(
    cluster: &Cluster,
    watcher: &mut Watcher,
    port: u32,
    sharing: Sharing,
) -> (TcpListener, Shared) {
    let asking = cluster.listen("127.0.0.1:0");
    let (listener, socket) =
        within(async { tokio::join!(asking, watcher.grant(port, sharing)) }).await;
    (listener.unwrap(), socket)
}

/// Whether bytes of the client arrive at the accepted connection.
pub(crate) async fn are_connected(
    client: &mut tokio::net::TcpStream,
    server: &mut crate::TcpStream,
) -> bool {
    let sent = format!("from {}", client.local_addr().unwrap());
    client.write_all(sent.as_bytes()).await.unwrap();
    let mut received = vec![0; sent.len()];
    within(server.read_exact(&mut received)).await.unwrap();
    received == sent.as_bytes()
}
