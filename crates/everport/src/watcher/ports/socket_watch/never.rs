//! Where nothing tells of a hang-up without waking on connections, too: nothing is ever seen.

use std::future::pending;
use std::io;
use std::os::fd::AsFd;

use super::{Seen, SocketName};

/// Watches nothing.
#[derive(Debug)]
pub(crate) struct SocketWatch;

impl SocketWatch {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    pub(crate) fn add(&self, _socket: impl AsFd, _name: SocketName) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn arm(&self, _socket: impl AsFd, _name: SocketName) -> bool {
        false
    }

    pub(crate) fn disarm(&self, _socket: impl AsFd, _name: SocketName) {}

    pub(crate) fn remove(&self, _socket: impl AsFd) {}

    pub(crate) async fn wait(&self) -> io::Result<Seen> {
        pending().await
    }
}
