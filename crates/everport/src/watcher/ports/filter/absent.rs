//! Where the kernel takes no filter for listening sockets: attaching fails, and nothing is there to detach.

use std::io;
use std::os::fd::AsFd;

use super::Filter;

impl Filter {
    pub(crate) fn attach_to_group(&self, _socket: impl AsFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) fn attach_to_socket(&self, _socket: impl AsFd) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

pub(crate) fn detach_from_group(_socket: impl AsFd) -> io::Result<()> {
    Ok(())
}

pub(crate) fn detach_from_socket(_socket: impl AsFd) -> io::Result<()> {
    Ok(())
}
