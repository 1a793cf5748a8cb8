//! The server under test as one process with several threads.

use std::net::SocketAddr;

use super::{Subject, Unmanaged};

/// One process, one runtime, several threads: what a program does that has no workers.
#[derive(Debug)]
pub(super) struct MultiThreaded {
    process: Unmanaged,
}

impl MultiThreaded {
    pub(super) fn start(threads: u32) -> anyhow::Result<Self> {
        let process = Unmanaged::multi_threaded(threads)?;
        Ok(Self { process })
    }
}

impl Subject for MultiThreaded {
    fn address(&self) -> SocketAddr {
        self.process.address()
    }

    fn pids(&self) -> Vec<u32> {
        self.process.pids()
    }

    fn workers(&self) -> Vec<u32> {
        Vec::new()
    }

    fn restart(&self) -> anyhow::Result<bool> {
        Ok(false)
    }
}
