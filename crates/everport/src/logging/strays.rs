//! What threads log that belong to no worker, in a process whose workers are threads.

use std::sync::OnceLock;

use tracing_core::dispatcher::{Dispatch, set_global_default};
use tracing_subscriber::layer::SubscriberExt;

use super::filter::LogFilter;
use super::layer::LogLayer;
use super::outlet::Outlet;
use crate::cluster::State;

/// Which of their records are logged, once a worker has set up logging.
static FILTER: OnceLock<LogFilter> = OnceLock::new();

/// Prints from now on what they log, as a program without a watcher does, unless the application has said what is to
/// become of it: then that holds. It begins with the first worker's filter, and follows the watchers of all.
pub(super) fn print(state: &State, workers: &LogFilter) {
    let filter = FILTER.get_or_init(|| install(workers.copy()));
    filter.follow(&state.log_level);
}

fn install(filter: LogFilter) -> LogFilter {
    let layer = LogLayer::with_outlet(Outlet::of_thread());
    let layers = tracing_subscriber::registry()
        .with(filter.clone())
        .with(layer);
    // One that is there already is the application's, which knows better.
    set_global_default(Dispatch::new(layers)).ok();
    filter
}
