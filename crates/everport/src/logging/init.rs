//! Sets up logging in one call.

use tracing_core::dispatcher::{Dispatch, set_global_default};
use tracing_log::LogTracer;
use tracing_subscriber::layer::SubscriberExt;

use super::{InitError, forward_panics};
use crate::Cluster;

/// Makes everything that this process logs through `tracing` or through the `log` crate part of the cluster's log, and
/// its panics, too ([`forward_panics`]). Standalone it is written to standard output in the same form.
///
/// What is logged is decided by [`Cluster::log_filter`]. Call it once, early: what was logged before is lost.
///
/// # Errors
/// When `RUST_LOG` is no filter, or the process has a subscriber or a logger already.
pub fn init(cluster: &Cluster) -> Result<(), InitError> {
    let filter = cluster.log_filter()?;
    let layers = tracing_subscriber::registry()
        .with(filter.clone())
        .with(cluster.log_layer());
    set_global_default(Dispatch::new(layers)).map_err(|_| InitError::SubscriberSet)?;
    forward_panics(cluster);
    LogTracer::init().map_err(|_| InitError::LoggerSet)?;
    filter.govern_log_crate();
    Ok(())
}
