//! A port that never closes.
//!
//! A *watcher* holds the listening sockets and runs *workers* that serve from them; workers crash, are
//! replaced, upgraded and scaled, and no client notices.
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
#[cfg(doctest)]
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
