//! Serves HTTP/1 and HTTP/2 so that a drain loses no request (feature `http`).
//!
//! ```no_run
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = everport::Cluster::join().await?;
//! let listener = cluster.listen("0.0.0.0:8080").await?;
//! let app = axum::Router::new().route("/", axum::routing::get("Hello, World!"));
//! everport::http::serve(&cluster, listener, app).await?;
//! cluster.leave().await?;
//! # Ok(())
//! # }
//! ```
//!
//! What happens when a drain begins:
//!
//! - Every answer of HTTP/1 carries `Connection: close`, and its connection ends after it. Requests and answers that
//!   are under way have the time of the drain.
//! - An HTTP/1 connection that is idle is closed only after it has been idle for the *idle minimum*: 5 s, or 1 s when
//!   the cluster stops. Idle means that no byte came or went and no request is being served; bytes count, because
//!   half a request is none yet for hyper. It counts from the beginning of the drain at the earliest. A fresh
//!   connection without its first request is treated in the same way. One that has sent half a request is not closed
//!   before that request is answered, or the drain's deadline is over. Behind a request with
//!   a body half a request cannot be told from that body: it has the idle minimum, from its last byte on, for its rest.
//! - An HTTP/2 connection is sent `GOAWAY` twice, as the protocol wants it: requests that cross the first one are
//!   answered, and the connection ends with its last stream. A client that replies to nothing any more, and has no
//!   answer to come, is given the idle minimum.
//! - Connections that were upgraded, to WebSockets for instance, are their handlers' own: see below.
//! - What is left at the drain's deadline is closed and reported as cut.
//!
//! Clients that pause for less than the idle minimum between an answer and their next request lose nothing. For longer
//! pauses the race between a client that sends and a server that closes is inherent to HTTP/1.
//!
//! # Upgraded connections
//!
//! A handler that has taken over its connection hears of a drain through [`Cluster::draining`], may say goodbye, and has
//! time until the deadline; [`serve`] and [`Cluster::leave`] wait for it that long. At the deadline the connection ends:
//! reads find the end of the stream and writes fail, so that a handler that reads or writes lets go of it.
//!
//! ```no_run
//! use axum::http::{StatusCode, header};
//! use hyper_util::rt::TokioIo;
//! use tokio::io::AsyncWriteExt;
//!
//! async fn ticker(cluster: everport::Cluster, request: axum::extract::Request) -> impl axum::response::IntoResponse {
//!     tokio::spawn(async move {
//!         let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
//!         let mut connection = TokioIo::new(upgraded);
//!         cluster.draining().await;
//!         // A client that is gone needs no goodbye.
//!         connection.write_all(b"reconnect, please\n").await.ok();
//!     });
//!     let headers = [(header::UPGRADE, "ticker"), (header::CONNECTION, "upgrade")];
//!     (StatusCode::SWITCHING_PROTOCOLS, headers)
//! }
//! ```

mod answer;
mod driver;
mod exchange;
mod listener;
mod peer;
mod server;
mod service;
mod transport;

#[cfg(test)]
mod tests;

use std::io;

pub use listener::Listener;
pub use peer::{Peer, PeerAddress};
pub use server::Server;
pub use service::{Hyper, IntoService, Tower};

use crate::Cluster;

/// Serves what the listener accepts, and drains without losing a request: see the [module](self). Several
/// listeners can be served at once, by calling this for each and awaiting them together.
///
/// Resolves when the drain has ended: nothing is accepted any more and every connection that is served in this
/// way has ended, or the drain's deadline is over.
///
/// The service is an `axum::Router`, or anything else that is [`IntoService`]. [`Server`] has settings.
///
/// # Cancel safety
/// Cancel safe: what was accepted goes on, and no connection is lost.
///
/// # Errors
/// Never at present: what keeps a process from accepting is waited out. The type is that of `axum::serve`.
pub fn serve<L, S, Kind>(
    cluster: &Cluster,
    listener: L,
    service: S,
) -> impl Future<Output = io::Result<()>> + Send + use<L, S, Kind>
where
    L: Listener,
    S: IntoService<Kind>,
{
    Server::new(cluster).serve(listener, service)
}
