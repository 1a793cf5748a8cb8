//! Where nothing tells of a hang-up without waking on connections, too: none is ever seen.

use std::future::pending;
use std::io;
use std::os::fd::AsFd;

use super::SocketName;

/// Watches nothing.
#[derive(Debug)]
pub(crate) struct ShutdownWatch;

impl ShutdownWatch {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn add(&self, _socket: impl AsFd, _name: SocketName) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn remove(&self, _socket: impl AsFd) {}

    pub(crate) async fn wait(&self) -> io::Result<Vec<SocketName>> {
        pending().await
    }
}
