//! The servers under test: everport's clusters, the same program without everport, and what others use.

mod cluster;
mod kind;
mod multi_threaded;
mod peer;
mod unmanaged;

use std::net::SocketAddr;
use std::time::Duration;

use crate::accounting::processor_time;

pub(crate) use cluster::{
    SHARINGS, breakable_cluster, cluster, launch, launch_threads, lossless_cluster,
    plain_thread_cluster,
};
pub(crate) use kind::{Kind, Missing, Version};
pub(crate) use unmanaged::{Unmanaged, command, own_start};

/// A server that can be measured: where it is, and what it costs. Everything it started ends when it is dropped.
pub(crate) trait Subject {
    fn address(&self) -> SocketAddr;

    /// All of its processes, its manager first.
    fn pids(&self) -> Vec<u32>;

    /// The processes that serve: those a benchmark may kill or stop. Empty where nothing but the manager serves.
    fn workers(&self) -> Vec<u32>;

    /// The processor time of all of its processes, the manager included.
    fn processor_time(&self) -> anyhow::Result<Duration> {
        self.pids().into_iter().map(processor_time).sum()
    }

    /// Replaces every worker as its documentation advises, and returns once all are replaced. `false`: it has no
    /// such thing.
    fn restart(&self) -> anyhow::Result<bool>;
}
