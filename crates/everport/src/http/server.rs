//! The server: its settings, its accept loop, and the serving of single connections.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};

use super::answer::Observed;
use super::driver::{Patience, drive};
use super::listener::Listener;
use super::peer::{Introduce, PeerAddress};
use super::service::{Answers, IntoService};
use super::transport::{Presence, Transport};
use crate::Cluster;
use crate::cluster::Phase;

/// A server with settings of its own; [`crate::http::serve`] is one with the default ones.
///
/// ```no_run
/// # async fn example(app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let cluster = everport::Cluster::join().await?;
/// let public = cluster.listen("0.0.0.0:8080").await?;
/// let local = cluster.listen_unix("/run/shop.sock").await?;
/// let server = everport::http::Server::new(&cluster)
///     .idle_minimum_on_rollout(Duration::from_secs(10))
///     .configure(|hyper| {
///         hyper.http2().max_concurrent_streams(100);
///     });
/// tokio::try_join!(server.serve(public, app.clone()), server.serve(local, app))?;
/// cluster.leave().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct Server {
    cluster: Cluster,
    settings: Arc<Settings>,
}

#[derive(Debug, Clone)]
struct Settings {
    hyper: auto::Builder<TokioExecutor>,
    patience: Patience,
    introduces_peers: bool,
}

impl Server {
    /// A server for this worker.
    pub fn new(cluster: &Cluster) -> Self {
        let mut hyper = auto::Builder::new(TokioExecutor::new());
        // hyper's own time for a head counts while a connection is idle, too, and would close it then. The
        // driver's does not. The timers are for what `configure` may ask for.
        hyper
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(None);
        hyper
            .http2()
            .timer(TokioTimer::new())
            .enable_connect_protocol();
        let patience = Patience {
            idle_minimum_on_rollout: Duration::from_secs(5),
            idle_minimum_on_stop: Duration::from_secs(1),
            header_read_timeout: Duration::from_secs(30),
        };
        Self {
            cluster: cluster.clone(),
            settings: Arc::new(Settings {
                hyper,
                patience,
                introduces_peers: false,
            }),
        }
    }

    /// How long an HTTP/1 connection must have been idle before a draining worker closes it, when other workers
    /// go on serving: on a rollout, a replacement, or scaling down. Default 5 s.
    ///
    /// A client that pauses for less between an answer and its next request loses nothing. Longer minimums make
    /// drains longer; the time for the whole drain is the watcher's `--shutdown-timeout`.
    pub fn idle_minimum_on_rollout(self, minimum: Duration) -> Self {
        self.with(|settings| settings.patience.idle_minimum_on_rollout = minimum)
    }

    /// The same when the cluster stops, the watcher is gone, or this process runs standalone. Default 1 s.
    pub fn idle_minimum_on_stop(self, minimum: Duration) -> Self {
        self.with(|settings| settings.patience.idle_minimum_on_stop = minimum)
    }

    /// How long the head of an HTTP/1 request may take from its first byte on, and how long a fresh connection
    /// may be silent. After that the connection is closed, in a drain or not. Default 30 s. A kept connection
    /// that is idle between two requests has no limit; nor has a head that follows a request with a body, whose rest
    /// it might be. The limit is that of handshakes, too: see [`Server::serve_connection_after`].
    pub fn header_read_timeout(self, timeout: Duration) -> Self {
        self.with(|settings| settings.patience.header_read_timeout = timeout)
    }

    /// Puts the client's address into each request's extensions, as [`crate::http::Peer`] and, with the feature
    /// `axum`, as `axum::extract::ConnectInfo`. Not done by default, because it costs an allocation or two for
    /// each request.
    ///
    /// ```no_run
    /// use std::net::SocketAddr;
    ///
    /// use axum::extract::ConnectInfo;
    ///
    /// async fn who(ConnectInfo(client): ConnectInfo<SocketAddr>) -> String {
    ///     format!("you are {client}\n")
    /// }
    ///
    /// # async fn example(cluster: everport::Cluster) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = cluster.listen("0.0.0.0:8080").await?;
    /// let app = axum::Router::new().route("/", axum::routing::get(who));
    /// everport::http::Server::new(&cluster).with_peer().serve(listener, app).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_peer(self) -> Self {
        self.with(|settings| settings.introduces_peers = true)
    }

    /// Changes hyper's own settings, for HTTP/1 and HTTP/2. Both have a timer already.
    pub fn configure(self, change: impl FnOnce(&mut auto::Builder<TokioExecutor>)) -> Self {
        self.with(|settings| change(&mut settings.hyper))
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Serves what the listener accepts, each connection in a task of its own, and drains: see
    /// [`crate::http`]. Resolves when nothing is accepted any more and every connection that everport serves in
    /// this process has ended, or when the drain's deadline is over.
    ///
    /// # Cancel safety
    /// Cancel safe: what was accepted goes on, and no connection is lost.
    ///
    /// # Errors
    /// Never at present: what keeps a process from accepting is waited out. The type is that of `axum::serve`.
    pub fn serve<L, S, Kind>(
        &self,
        listener: L,
        service: S,
    ) -> impl Future<Output = io::Result<()>> + Send + use<L, S, Kind>
    where
        L: Listener,
        S: IntoService<Kind>,
    {
        let server = self.clone();
        let service = service.into_service();
        async move {
            server.accept_from(listener, service).await;
            server.cluster.state.finish_serving().await;
            Ok(())
        }
    }

    /// Serves one connection, for accept loops of your own. Resolves when the connection has ended or was upgraded, or
    /// when the drain's deadline is over and it is cut. What goes wrong with it is its client's affair and not
    /// reported.
    ///
    /// [`Cluster::leave`] waits for such connections from this call on, and for what upgraded ones have become. So it
    /// must be called by the loop itself, before the next connection is accepted; a stream that has to be made first
    /// is a case for [`Server::serve_connection_after`].
    ///
    /// # Cancel safety
    /// Dropping the future cuts the connection.
    pub fn serve_connection<I, S, Kind>(
        &self,
        stream: I,
        service: S,
    ) -> impl Future<Output = ()> + Send + use<I, S, Kind>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: IntoService<Kind>,
    {
        self.drive(self.presence(), stream, service.into_service(), None)
    }

    /// The same after a handshake that makes the stream: of TLS, for instance. The connection counts from this call
    /// on, so that a drain waits for handshakes, too. One that takes longer than [`Server::header_read_timeout`], or
    /// fails, ends the connection.
    ///
    /// ```no_run
    /// # async fn accept_tls(stream: everport::TcpStream) -> std::io::Result<everport::TcpStream> { Ok(stream) }
    /// # async fn example(cluster: everport::Cluster, app: axum::Router) -> Result<(), Box<dyn std::error::Error>> {
    /// let listener = cluster.listen("0.0.0.0:8443").await?;
    /// let server = everport::http::Server::new(&cluster);
    /// loop {
    ///     let (stream, _client) = tokio::select! {
    ///         accepted = listener.accept() => accepted?,
    ///         () = cluster.terminated() => break,
    ///     };
    ///     tokio::spawn(server.serve_connection_after(accept_tls(stream), app.clone()));
    /// }
    /// cluster.leave().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    /// Dropping the future cuts the connection.
    pub fn serve_connection_after<H, I, S, Kind>(
        &self,
        handshake: H,
        service: S,
    ) -> impl Future<Output = ()> + Send + use<H, I, S, Kind>
    where
        H: Future<Output = io::Result<I>> + Send,
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: IntoService<Kind>,
    {
        let (server, presence) = (self.clone(), self.presence());
        let service = service.into_service();
        async move {
            if let Some(stream) = server.complete(handshake).await {
                server.drive(presence, stream, service, None).await;
            }
        }
    }

    /// Makes a stream; `None` when that fails, takes too long, or is overtaken by the drain's deadline.
    async fn complete<I>(&self, handshake: impl Future<Output = io::Result<I>>) -> Option<I> {
        let timeout = self.settings.patience.header_read_timeout;
        let mut phase = self.cluster.state.watch_phase();
        tokio::select! {
            made = tokio::time::timeout(timeout, handshake) => made.ok()?.ok(),
            _ = phase.wait_for(|phase| *phase >= Phase::Expired) => None,
        }
    }

    fn presence(&self) -> Presence {
        Presence::new(Arc::clone(&self.cluster.state.connections))
    }

    async fn accept_from<L: Listener, S: Answers>(&self, listener: L, service: S) {
        let mut terminated = pin!(self.cluster.terminated());
        loop {
            let (stream, address) = tokio::select! {
                accepted = listener.accept_next() => accepted,
                () = &mut terminated => return,
            };
            let introduce = self.introduction(address);
            tokio::spawn(self.drive(self.presence(), stream, service.clone(), introduce));
        }
    }

    fn introduction<A: PeerAddress>(&self, address: A) -> Option<Introduce> {
        self.settings
            .introduces_peers
            .then(|| -> Introduce { Box::new(move |extensions| address.introduce(extensions)) })
    }

    fn drive<I, S>(
        &self,
        presence: Presence,
        stream: I,
        service: S,
        introduce: Option<Introduce>,
    ) -> impl Future<Output = ()> + Send + use<I, S>
    where
        I: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        S: Answers,
    {
        let state = Arc::clone(&self.cluster.state);
        let settings = Arc::clone(&self.settings);
        let exchange = Arc::clone(presence.exchange());
        let transport = Transport::new(stream, presence, state.watch_phase());
        async move {
            let service = Observed::new(service, Arc::clone(&exchange), introduce);
            // Pinned here and lent, for it would be in this future twice.
            let connection = pin!(
                settings
                    .hyper
                    .serve_connection_with_upgrades(TokioIo::new(transport), service)
            );
            drive(connection, &exchange, &state, &settings.patience).await;
        }
    }
}
