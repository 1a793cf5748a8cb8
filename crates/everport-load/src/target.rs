//! The server a load goes to: on this machine only.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use std::str::FromStr;

/// The server a load goes to. A load goes to the loopback interface or a Unix socket and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A TCP port on the loopback interface.
    Tcp(SocketAddr),
    /// A Unix socket in the file system.
    UnixPath(PathBuf),
    /// A Unix socket in Linux's abstract name space, without the leading zero byte.
    UnixAbstract(Vec<u8>),
}

/// Why a load cannot go to a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// The text is no address.
    #[error(
        "not an address to load: {text:?} (write it like 127.0.0.1:8080, [::1]:8080, unix:/path or unix:@name)"
    )]
    Malformed {
        /// What was given.
        text: String,
    },
    /// The address may be on another machine.
    #[error(
        "{address} is not a loopback address: a load only goes to 127.0.0.0/8, [::1] or a Unix socket"
    )]
    NotLoopback {
        /// What was given.
        address: SocketAddr,
    },
    /// Nothing can listen on port number 0.
    #[error("{address} has port number 0: give the number the server really listens on")]
    NoPortNumber {
        /// What was given.
        address: SocketAddr,
    },
    /// The kernel takes no such name for a Unix socket.
    #[error("{name:?} cannot name a Unix socket: it is empty, too long or holds a zero byte")]
    BadName {
        /// What was given.
        name: String,
    },
}

impl Target {
    /// Whether a load may go there.
    ///
    /// # Errors
    /// When the address is not on the loopback interface, or cannot be connected to at all.
    pub fn check(&self) -> Result<(), TargetError> {
        match self {
            Self::Tcp(address) if !address.ip().to_canonical().is_loopback() => {
                Err(TargetError::NotLoopback { address: *address })
            }
            Self::Tcp(address) if address.port() == 0 => {
                Err(TargetError::NoPortNumber { address: *address })
            }
            Self::Tcp(_) => Ok(()),
            Self::UnixPath(path) => {
                let takes = !path.as_os_str().is_empty()
                    && std::os::unix::net::SocketAddr::from_pathname(path).is_ok();
                takes.then_some(()).ok_or_else(|| self.bad_name())
            }
            Self::UnixAbstract(name) if name.is_empty() || name.len() > LONGEST_ABSTRACT_NAME => {
                Err(self.bad_name())
            }
            Self::UnixAbstract(_) => Ok(()),
        }
    }

    /// The Unix socket's path as tokio takes it, which writes abstract names with a leading zero byte.
    pub(crate) fn unix_path(&self) -> Option<PathBuf> {
        match self {
            Self::Tcp(_) => None,
            Self::UnixPath(path) => Some(path.clone()),
            Self::UnixAbstract(name) => {
                let bytes = [&[0], name.as_slice()].concat();
                Some(PathBuf::from(OsString::from_vec(bytes)))
            }
        }
    }

    fn bad_name(&self) -> TargetError {
        TargetError::BadName {
            name: self.to_string(),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let name = text.strip_prefix("unix:").unwrap_or(text);
        let target = match name.as_bytes() {
            [b'@', name @ ..] => Self::UnixAbstract(name.to_vec()),
            [b'/' | b'.', ..] => Self::UnixPath(name.into()),
            _ if name.len() < text.len() => Self::UnixPath(name.into()),
            _ => Self::Tcp(text.parse().map_err(|_| TargetError::Malformed {
                text: text.to_owned(),
            })?),
        };
        target.check().map(|()| target)
    }
}

impl From<SocketAddr> for Target {
    fn from(address: SocketAddr) -> Self {
        Self::Tcp(address)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::UnixPath(path) => write!(f, "unix:{}", path.display()),
            Self::UnixAbstract(name) => write!(f, "unix:@{}", name.escape_ascii()),
        }
    }
}

/// `sun_path` has 108 bytes, the first of which is the zero that makes a name abstract.
const LONGEST_ABSTRACT_NAME: usize = 107;

#[cfg(test)]
mod tests {
    use super::{Target, TargetError};

    #[test]
    fn loopback_addresses_and_unix_sockets_are_taken() {
        for text in [
            "127.0.0.1:8080",
            "127.9.8.7:1",
            "[::1]:8080",
            "[::ffff:127.0.0.1]:80",
            "unix:/run/x.sock",
            "unix:@name",
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.to_string(), text);
        }
        assert_eq!("@name".parse(), Ok(Target::UnixAbstract(b"name".to_vec())));
        assert_eq!("./x".parse(), Ok(Target::UnixPath("./x".into())));
    }

    #[test]
    fn addresses_of_other_machines_are_refused() {
        for text in [
            "0.0.0.0:80",
            "[::]:80",
            "192.168.1.1:80",
            "8.8.8.8:80",
            "[2001:db8::1]:80",
        ] {
            let refused = text.parse::<Target>();
            assert!(
                matches!(refused, Err(TargetError::NotLoopback { .. })),
                "{text}"
            );
        }
    }

    #[test]
    fn names_that_need_a_resolver_or_are_no_address_are_refused() {
        for text in ["localhost:8080", "", "8080", "127.0.0.1"] {
            let refused = text.parse::<Target>();
            assert!(
                matches!(refused, Err(TargetError::Malformed { .. })),
                "{text}"
            );
        }
        let unnumbered = "127.0.0.1:0".parse::<Target>();
        assert!(matches!(unnumbered, Err(TargetError::NoPortNumber { .. })));
        for name in [
            "unix:".to_owned(),
            "unix:@".to_owned(),
            format!("/{}", "x".repeat(200)),
        ] {
            let refused = name.parse::<Target>();
            assert!(
                matches!(refused, Err(TargetError::BadName { .. })),
                "{name}"
            );
        }
    }
}
