//! A worker's log: what the application logs through `tracing`, or through the `log` crate, handed over to the watcher.
//!
//! In a cluster the records of all workers and what the watcher itself has to say become one stream, with the sinks and
//! in the format that the watcher was started with. Standalone the same program writes the same lines to its standard
//! output by itself.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = everport::Cluster::join().await?;
//! everport::logging::init(&cluster)?;
//! tracing::info!(port = 8080, "the shop is open");
//! # Ok(())
//! # }
//! ```
//!
//! # What is handed over
//!
//! Time, level, target, message, fields with their types, the spans with theirs, and the thread. A record that was handed
//! over is in memory that the watcher has, too: it is written whatever becomes of the worker. What is longer than
//! 64 KiB is cut and marked as such. A worker that logs faster than the log can be written drops records, which are
//! counted in the log, or waits: the watcher's configuration says which.
//!
//! # Which records
//!
//! Those that the [`LogFilter`] lets through: `RUST_LOG` where it is set, such as `info` or `warn,shop::db=debug`, and
//! otherwise the watcher's level. Both can be changed while the program runs, by the watcher (see
//! [`Handle::set_log_level`](crate::watcher::Handle::set_log_level)) and by the program itself (see
//! [`Cluster::set_log_level`]); the last word counts.
//!
//! # Subscribers of one's own
//!
//! [`init`] is made of parts that can be put together otherwise, here with two filters:
//!
//! ```no_run
//! # fn example(cluster: &everport::Cluster) -> Result<(), Box<dyn std::error::Error>> {
//! use tracing_subscriber::filter::LevelFilter;
//! use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};
//! # #[derive(Default)]
//! # struct Metrics;
//! # impl<S: tracing::Subscriber> Layer<S> for Metrics {}
//!
//! tracing_subscriber::registry()
//!     .with(cluster.log_layer().with_filter(cluster.log_filter()?))
//!     .with(Metrics::default().with_filter(LevelFilter::DEBUG))
//!     .try_init()?;
//! everport::logging::forward_panics(cluster);
//! # Ok(())
//! # }
//! ```
//!
//! A worker that is a thread sets its subscriber for its own thread: `tracing::subscriber::set_default(..)` instead of
//! `try_init()`, with a guard that lives as long as the worker. Threads of its runtime for blocking work, and others that it
//! starts, have to do the same; [`init`] does it for the former.

mod console;
mod error;
mod fields;
mod filter;
mod init;
mod layer;
mod log_crate;
mod misspelling;
mod outlet;
mod panic;
mod scratch;
mod spans;
mod strays;
mod telling;
mod thread_log;

#[cfg(test)]
mod tests;

use crate::Cluster;
use crate::log::Level;

pub use error::{FilterError, InitError};
pub use filter::LogFilter;
pub(crate) use filter::SharedFilter;
pub use init::init;
pub use layer::LogLayer;
pub use panic::forward_panics;
pub(crate) use thread_log::ThreadLog;

impl Cluster {
    /// A layer that hands every record it gets over to the watcher; standalone it writes them to standard output. It
    /// filters nothing: see [`Cluster::log_filter`], and [`logging`](crate::logging) for an example.
    pub fn log_layer(&self) -> LogLayer {
        LogLayer::new(&self.state)
    }

    /// The filter of this worker's log: the one that [`logging::init`](crate::logging::init) uses, for subscribers that
    /// are put together otherwise. There is one for each cluster, and this is a handle to it.
    ///
    /// # Errors
    /// When `RUST_LOG` is no filter.
    pub fn log_filter(&self) -> Result<LogFilter, FilterError> {
        self.state.log_filter.get(&self.state)
    }

    /// Logs records of this level and the more urgent ones from now on, whatever `RUST_LOG` or the watcher has said so
    /// far. See [`LogFilter::set`] for finer wishes.
    pub fn set_log_level(&self, level: Level) {
        self.state.log_filter.set_level(&self.state, level);
    }
}
