//! Asks for ports: the watcher in a cluster, the system when standalone.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use super::error::ListenError;
use super::membership::Membership;
use super::readiness::Unpolled;
use super::requests::Grant;
use super::state::State;
use crate::bind::{Bound, bind};
use crate::link::FromWorker;
use crate::listener::{Accepting, Family, Listening, Port};
use crate::{ListenOptions, PortAddress, Sharing};

/// How long the watcher may take: it answers at once, or after the second for which it probes for an old
/// instance that is leaving, or after a spawn under heavy load.
const PATIENCE: Duration = Duration::from_secs(30);

/// A port to accept from.
pub(super) async fn listen<F: Family>(
    state: &Arc<State>,
    address: PortAddress,
    options: ListenOptions,
) -> Result<Arc<Accepting<F>>, ListenError>
where
    F::Listener: AsFd,
{
    let listening = obtain(state, &address, options).await?;
    let id = listening.membership.port();
    let failed = |error| ListenError::System {
        address: address.clone(),
        error,
    };
    let connections = Arc::clone(&state.connections);
    let accepting = Arc::new(Accepting::<F>::new(listening, connections).map_err(failed)?);
    let port: Arc<dyn Port> = accepting.clone();
    if !state.register_port(id, &port) {
        return Err(ListenError::Draining(address));
    }
    Ok(accepting)
}

/// A listening socket that the application accepts from by itself.
pub(super) async fn listen_std(
    state: &Arc<State>,
    address: SocketAddr,
    options: ListenOptions,
) -> Result<std::net::TcpListener, ListenError> {
    let options = options.sharing(Sharing::Transfer);
    let listening = obtain(state, &address.into(), options).await?;
    // Nobody sees when such a listener is polled or dropped: the application says when it is ready, and
    // the port is its own until it leaves.
    state.readiness.make_explicit();
    let Listening {
        socket, membership, ..
    } = listening;
    membership.keep();
    Ok(socket.into())
}

async fn obtain(
    state: &Arc<State>,
    address: &PortAddress,
    options: ListenOptions,
) -> Result<Listening, ListenError> {
    if state.is_draining() {
        return Err(ListenError::Draining(address.clone()));
    }
    let unpolled = Unpolled::new(state);
    let mut listening = if state.is_worker() {
        ask_watcher(state, address, options).await?
    } else {
        ask_system(state, address, options).await?
    };
    listening.membership.count(unpolled);
    Ok(listening)
}

async fn ask_watcher(
    state: &Arc<State>,
    address: &PortAddress,
    options: ListenOptions,
) -> Result<Listening, ListenError> {
    let lost = || ListenError::LinkLost(address.clone());
    let (request, answer) = state.requests.open();
    let frame = FromWorker::Listen {
        request,
        address: address.clone(),
        options,
    };
    state.outbox.push(frame).map_err(|_| lost())?;
    let answer =
        tokio::time::timeout(PATIENCE, answer)
            .await
            .map_err(|_| ListenError::NoAnswer {
                address: address.clone(),
                waited: PATIENCE,
            })?;
    let Grant {
        membership,
        address,
        sharing,
        socket,
    } = answer.map_err(|_| lost())??;
    Ok(Listening {
        socket,
        address,
        sharing,
        path: None,
        membership,
    })
}

async fn ask_system(
    state: &Arc<State>,
    address: &PortAddress,
    options: ListenOptions,
) -> Result<Listening, ListenError> {
    let wanted = address.clone();
    // Binding may probe and wait for a moment, which the runtime must not.
    let bound = tokio::task::spawn_blocking(move || bind(&wanted, &options)).await;
    let Bound {
        socket,
        address,
        path,
    } = bound.map_err(|error| ListenError::System {
        address: address.clone(),
        error: io::Error::other(error),
    })??;
    Ok(Listening {
        socket,
        address,
        sharing: Sharing::Reuseport,
        path,
        membership: Membership::new(state.next_port(), state),
    })
}
