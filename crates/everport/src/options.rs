//! What a worker can ask for when it listens.

use std::fmt;

/// How workers get at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sharing {
    /// One socket per slot; the kernel balances.
    Reuseport,
    /// One listening socket, passed to every worker.
    Transfer,
    /// The watcher accepts, and places each connection at one worker exactly: in turn, or where fewest are open.
    /// It costs more per connection than the other two.
    Dispatch,
}

impl Sharing {
    /// What this system shares TCP ports by unless told otherwise.
    pub const DEFAULT: Self = if cfg!(any(target_os = "linux", target_os = "freebsd")) {
        Self::Reuseport
    } else {
        Self::Transfer
    };
}

impl fmt::Display for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reuseport => "reuseport",
            Self::Transfer => "transfer",
            Self::Dispatch => "dispatch",
        })
    }
}

/// The options of a port. The first worker that asks for a port decides them.
///
/// ```
/// let options = everport::ListenOptions::new().backlog(1024).nodelay(true);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenOptions {
    pub(crate) backlog: u32,
    pub(crate) keepalive: bool,
    pub(crate) nodelay: bool,
    pub(crate) freebind: bool,
    pub(crate) receive_buffer: Option<u32>,
    pub(crate) send_buffer: Option<u32>,
    pub(crate) unix_mode: Option<u32>,
    pub(crate) sharing: Option<Sharing>,
}

impl Default for ListenOptions {
    fn default() -> Self {
        Self {
            backlog: 4096, // what Linux allows by default since 5.4 (net.core.somaxconn)
            keepalive: false,
            nodelay: false,
            freebind: false,
            receive_buffer: None,
            send_buffer: None,
            unix_mode: None,
            sharing: None,
        }
    }
}

impl ListenOptions {
    /// The defaults: a backlog of 4096, everything else as the system has it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many connections may wait to be accepted. The kernel clamps it to `net.core.somaxconn`.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// `SO_KEEPALIVE` on accepted sockets.
    #[must_use]
    pub fn keepalive(mut self, on: bool) -> Self {
        self.keepalive = on;
        self
    }

    /// `TCP_NODELAY` on accepted sockets.
    #[must_use]
    pub fn nodelay(mut self, on: bool) -> Self {
        self.nodelay = on;
        self
    }

    /// `IP_FREEBIND`: listen on an address that no interface has yet (Linux).
    #[must_use]
    pub fn freebind(mut self, on: bool) -> Self {
        self.freebind = on;
        self
    }

    /// `SO_RCVBUF` of accepted sockets, in bytes.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// `SO_SNDBUF` of accepted sockets, in bytes.
    #[must_use]
    pub fn send_buffer(mut self, bytes: u32) -> Self {
        self.send_buffer = Some(bytes);
        self
    }

    /// The file mode of a Unix socket in the file system, such as `0o660`.
    #[must_use]
    pub fn unix_mode(mut self, mode: u32) -> Self {
        self.unix_mode = Some(mode);
        self
    }

    /// How workers get at this port; by default what the watcher was told.
    #[must_use]
    pub fn sharing(mut self, sharing: Sharing) -> Self {
        self.sharing = Some(sharing);
        self
    }
}
