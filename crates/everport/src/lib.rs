//! A port that never closes.
//!
//! A *watcher* holds the listening sockets and runs *workers* that serve from them; workers crash, are
//! replaced, upgraded and scaled, and no client notices.
//!
//! A worker joins, listens, serves until it is to drain, and leaves. Without a watcher the same code serves alone:
//!
//! ```no_run
//! use everport::Cluster;
//! use tokio::io::AsyncWriteExt;
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let cluster = Cluster::join().await?;
//!     let listener = cluster.listen("0.0.0.0:8080").await?;
//!     loop {
//!         tokio::select! {
//!             accepted = listener.accept() => accepted?.0.write_all(b"hello\n").await?,
//!             () = cluster.terminated() => break,
//!         }
//!     }
//!     cluster.leave().await?;
//!     Ok(())
//! }
//! ```
//!
//! `everport run -w 4 ./server` runs four of it. So does a program of your own, by a [`Watcher`]: its workers are processes
//! or threads.
//!
//! | to | there is |
//! | --- | --- |
//! | be a worker | [`Cluster`], and [`TcpListener`], [`UnixListener`], [`ListenOptions`] for its ports |
//! | run workers | [`Watcher`], and [`watcher`] for its builder, its handle, status, notices and hooks |
//! | exchange values | [`messages`], between workers and with the program around them |
//! | move sockets | [`transfer`], between processes of any kind |
//! | take the cluster's log | [`log`]: its entries, how they look, and where they are written |
//! | serve HTTP and lose no request | `http`, with the feature `http` |
//! | log by `tracing` | `logging`, with the feature `tracing` |
//! | have the command's options | `cli`, with the feature `cli`: `ClusterArgs` and `ServerArgs` |
//!
//! The feature `axum`, which is a default, makes a [`TcpListener`] one that `axum::serve` takes.
#[cfg(not(unix))]
compile_error!(
    "everport runs on Unix systems only: it needs processes that share listening sockets (see docs/platforms.md)"
);
#[cfg(target_vendor = "apple")]
compile_error!(
    "everport does not run on Apple's systems yet: they have no SOCK_SEQPACKET for Unix sockets, which the link \
     between watcher and workers is made of (see docs/platforms.md)"
);

mod address;
mod backtrace;
mod bind;
mod causes;
mod cluster;
mod link;
mod listener;
mod options;
mod panic_payload;
mod place;
#[cfg(test)]
mod random;
mod reactor;
mod record;
mod rights;
mod ring;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "http")]
pub mod http;
pub mod log;
#[cfg(feature = "tracing")]
pub mod logging;
pub mod messages;
pub mod transfer;
pub mod watcher;

pub use address::{AddressError, PortAddress, ToPortAddress};
pub use bind::{BindCause, BindError};
pub use cluster::{
    Cluster, ClusterBuilder, Draining, JoinError, LeaveError, Leaving, ListenError, Terminated,
};
pub use everport_core::{Generation, SlotId, WorkerId};
pub use listener::{Connection, Incoming, TcpListener, TcpStream, UnixListener, UnixStream};
pub use options::{ListenOptions, Sharing};
pub use place::UnsafePath;
pub use watcher::Watcher;

/// The examples in the guide, which are compiled as tests.
#[cfg(all(doctest, feature = "axum", feature = "cli", feature = "http"))]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;

/// Likewise those about messages.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/messages.md")]
struct MessagesChapter;

/// Likewise those about workers that are threads.
#[cfg(all(doctest, feature = "tracing"))]
#[doc = include_str!("../../../docs/threads.md")]
struct Threads;

/// Likewise those in the chapter on sockets.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/sockets.md")]
struct Sockets;

/// Likewise those about a cluster within another program.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/embedding.md")]
struct Embedding;

/// Likewise those for people who know something else.
#[cfg(all(doctest, feature = "http", feature = "tracing"))]
#[doc = include_str!("../../../docs/coming-from.md")]
struct ComingFrom;
