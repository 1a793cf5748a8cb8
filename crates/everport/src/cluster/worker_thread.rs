//! A worker that is a thread: how it joins, and what begins on each of its threads.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::builder::Surroundings;
use super::error::JoinError;
use super::{Cluster, ClusterBuilder, State};

/// Joins the cluster on a worker's own thread, through the link that its watcher has made for it. `overdue` is called on
/// the guard thread when the worker is still there after its drain and its hooks had their time; that thread ends when
/// the worker's state is retired, which `met` is told of as soon as there is one.
///
/// # Errors
/// As [`ClusterBuilder::join`].
pub(crate) async fn join_on_thread(
    link: OwnedFd,
    overdue: impl FnOnce() + Send + 'static,
    met: impl FnOnce(&Arc<State>) + Send + 'static,
) -> Result<(Cluster, JoinHandle<()>), JoinError> {
    let surroundings = Surroundings {
        catches_signals: false,
        logs_records: cfg!(feature = "tracing"),
        end: Box::new(|_code| overdue()),
    };
    let builder = ClusterBuilder::new();
    builder.join_guarded(link, surroundings, met).await
}

/// What begins on every thread that runs the application's code for one worker: on its own thread once it has joined,
/// before its main function is called, and on each blocking thread of its runtime that is started after that. What it
/// sets up for the thread ends with the thread.
#[cfg_attr(
    not(feature = "tracing"),
    expect(unused_variables, reason = "only logs are a thread's own")
)]
pub(crate) fn enter(cluster: &Cluster) {
    #[cfg(feature = "tracing")]
    cluster.state.adopt_this_thread();
}
