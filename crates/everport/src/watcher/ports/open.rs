//! Opens a port: finds out who is in the way, waits a moment for them to leave, and binds.

use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::time::Instant;

use crate::bind::{self, BindCause, Bound, tcp};
use crate::{BindError, ListenOptions, PortAddress, Sharing};

/// How long an address in use is tried again: an old instance may be leaving.
const PATIENCE: Duration = Duration::from_secs(1);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// What the sockets of a new port begin with.
#[derive(Debug)]
pub(crate) enum Opened {
    /// The first socket of a group, bound; it listens once a slot takes it.
    Reuseport { address: SocketAddr, first: OwnedFd },
    /// The one socket, listening.
    One {
        bound: Bound,
        /// By `transfer` or by `dispatch`.
        sharing: Sharing,
        /// The name by which it was passed in, if it was.
        name: Option<String>,
    },
}

/// Opens the address. Not cancel safe in the sense that a port may have been bound and closed again.
pub(crate) async fn open(
    address: PortAddress,
    options: ListenOptions,
    sharing: Sharing,
) -> Result<Opened, BindError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let cause = match open_once(&address, &options, sharing) {
            Ok(opened) => return Ok(opened),
            Err(cause) => cause,
        };
        let may_pass = matches!(cause, BindCause::InUse { .. } | BindCause::Live);
        if !may_pass || Instant::now() >= deadline {
            return Err(explain(address, cause).await);
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
}

fn open_once(
    address: &PortAddress,
    options: &ListenOptions,
    sharing: Sharing,
) -> Result<Opened, BindCause> {
    match (address, sharing) {
        (PortAddress::Tcp(wanted), Sharing::Reuseport) => {
            let address = tcp::probe(*wanted, options)?;
            let first = tcp::bind_shared(address, options)?;
            Ok(Opened::Reuseport { address, first })
        }
        // A number that the kernel chose at `bind` would be given up by a worker's `shutdown`, one that
        // was asked for is kept; so the kernel chooses in a probe.
        (PortAddress::Tcp(wanted), Sharing::Transfer | Sharing::Dispatch) => {
            let address = tcp::probe(*wanted, options)?;
            listen(&PortAddress::Tcp(address), options, sharing)
        }
        (unix, _) => listen(unix, options, sharing),
    }
}

fn listen(
    address: &PortAddress,
    options: &ListenOptions,
    sharing: Sharing,
) -> Result<Opened, BindCause> {
    Ok(Opened::One {
        bound: bind::listen_on(address, options)?,
        sharing,
        name: None,
    })
}

/// The kernel does not balance Unix sockets, and of one that was passed in there is no second.
pub(super) fn by_one_socket(wanted: Sharing) -> Sharing {
    match wanted {
        Sharing::Dispatch => Sharing::Dispatch,
        Sharing::Reuseport | Sharing::Transfer => Sharing::Transfer,
    }
}

/// Looking for the owner reads a good part of `/proc`, so it does not hold up the watcher's loop.
async fn explain(address: PortAddress, cause: BindCause) -> BindError {
    let unexplained = BindError::new(&address, cause.clone());
    tokio::task::spawn_blocking(move || {
        let cause = bind::name_owner(&address, cause);
        BindError::new(&address, cause)
    })
    .await
    .unwrap_or(unexplained)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    async fn open_tcp(address: SocketAddr, sharing: Sharing) -> Result<Opened, BindError> {
        open(address.into(), ListenOptions::new(), sharing).await
    }

    #[tokio::test]
    async fn an_owner_that_leaves_within_a_second_is_waited_for() {
        let old = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = old.local_addr().unwrap();
        let opening = tokio::spawn(open_tcp(address, Sharing::Reuseport));
        tokio::task::yield_now().await;
        drop(old);
        assert!(opening.await.unwrap().is_ok());
    }

    #[tokio::test]
    async fn an_owner_that_stays_is_named() {
        for sharing in [Sharing::Reuseport, Sharing::Transfer, Sharing::Dispatch] {
            let owner = TcpListener::bind("127.0.0.1:0").unwrap();
            let error = open_tcp(owner.local_addr().unwrap(), sharing)
                .await
                .unwrap_err();
            assert!(
                matches!(error.cause, BindCause::InUse { by: Some(_) }),
                "{error}"
            );
        }
    }

    #[tokio::test]
    async fn the_number_of_port_zero_is_known_once_it_is_open() {
        let opened = open_tcp("127.0.0.1:0".parse().unwrap(), Sharing::Reuseport)
            .await
            .unwrap();
        assert!(matches!(opened, Opened::Reuseport { address, .. } if address.port() != 0));
    }
}
