//! Sets up logging in one call.

use tracing_core::dispatcher::{Dispatch, set_global_default};
use tracing_subscriber::layer::SubscriberExt;

use super::telling::govern_log_crate;
use super::{InitError, LogFilter, ThreadLog, forward_panics, log_crate, strays};
use crate::Cluster;

/// Makes everything that this process logs through `tracing` or through the `log` crate part of the cluster's log, and
/// its panics, too ([`forward_panics`]). Standalone it is written to standard output in the same form.
///
/// What is logged is decided by [`Cluster::log_filter`]. Call it once, early: what was logged before is lost.
///
/// # In a worker that is a thread
///
/// Each worker logs for itself: this is about the thread that calls it and about those that its runtime starts for
/// blocking work. A thread that the worker has started by other means is one of the worker's once it calls this, too.
/// What other threads log is printed to standard output, as standalone, unless the process has a subscriber of the
/// application's: that one keeps all threads but the workers'.
///
/// # Errors
/// When `RUST_LOG` is no filter, when this was called before, or when the process has a subscriber or a logger of its
/// own already: a worker that is a thread respects a subscriber as said above, and a logger is one that does not pass
/// on to `tracing` what it gets.
pub fn init(cluster: &Cluster) -> Result<(), InitError> {
    let filter = cluster.log_filter()?;
    match cluster.state.thread_log() {
        Some(log) => begin_in_thread(cluster, log, &filter)?,
        None => set_global_default(subscriber(cluster, &filter))
            .map_err(|_| InitError::SubscriberSet)?,
    }
    forward_panics(cluster);
    log_crate::forward()?;
    govern_log_crate();
    Ok(())
}

fn begin_in_thread(
    cluster: &Cluster,
    log: &ThreadLog,
    filter: &LogFilter,
) -> Result<(), InitError> {
    log.begin(|| subscriber(cluster, filter))?;
    strays::print(&cluster.state, filter);
    Ok(())
}

fn subscriber(cluster: &Cluster, filter: &LogFilter) -> Dispatch {
    let layers = tracing_subscriber::registry()
        .with(filter.clone())
        .with(cluster.log_layer());
    Dispatch::new(layers)
}
