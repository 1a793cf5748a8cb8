//! The addresses a port can have, and the one parser of them.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// An address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PortAddress {
    /// An IPv4 or IPv6 address and a port number; number 0 lets the watcher choose one.
    Tcp(SocketAddr),
    /// A Unix socket in the file system.
    UnixPath(PathBuf),
    /// A Unix socket in Linux's abstract name space; written `@name`.
    UnixAbstract(Vec<u8>),
}

/// Why a text is not an address to listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an address to listen on: {text:?} (write it like 0.0.0.0:8080 or [::]:8080)")]
pub struct AddressError {
    text: String,
}

/// Whatever names a TCP address to listen on. Host names are not resolved: a port is a fixed address.
pub trait ToPortAddress {
    /// The address, parsed.
    ///
    /// # Errors
    /// When the text is not an IP address and a port number.
    fn to_port_address(&self) -> Result<SocketAddr, AddressError>;
}

impl PortAddress {
    /// The Unix socket a path stands for: `@name` is abstract, everything else is in the file system. A
    /// relative path is made absolute, because watcher and workers may have different working directories.
    #[must_use]
    pub fn unix(path: impl AsRef<Path>) -> Self {
        use std::os::unix::ffi::OsStrExt;
        let path = path.as_ref();
        match path.as_os_str().as_bytes() {
            [b'@' | 0, name @ ..] => Self::UnixAbstract(name.to_vec()),
            _ => Self::UnixPath(std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())),
        }
    }

    /// Whether the watcher chooses the port number.
    #[must_use]
    pub fn is_ephemeral(&self) -> bool {
        matches!(self, Self::Tcp(address) if address.port() == 0)
    }
}

impl fmt::Display for PortAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::UnixPath(path) => write!(f, "unix:{}", path.display()),
            Self::UnixAbstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
        }
    }
}

impl From<SocketAddr> for PortAddress {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl ToPortAddress for str {
    fn to_port_address(&self) -> Result<SocketAddr, AddressError> {
        self.parse().map_err(|_| AddressError {
            text: self.to_owned(),
        })
    }
}

impl ToPortAddress for String {
    fn to_port_address(&self) -> Result<SocketAddr, AddressError> {
        self.as_str().to_port_address()
    }
}

impl ToPortAddress for SocketAddr {
    fn to_port_address(&self) -> Result<SocketAddr, AddressError> {
        Ok(*self)
    }
}

impl<A: Copy + Into<IpAddr>> ToPortAddress for (A, u16) {
    fn to_port_address(&self) -> Result<SocketAddr, AddressError> {
        Ok(SocketAddr::new(self.0.into(), self.1))
    }
}

impl<T: ToPortAddress + ?Sized> ToPortAddress for &T {
    fn to_port_address(&self) -> Result<SocketAddr, AddressError> {
        (**self).to_port_address()
    }
}
