//! Serving as a worker of a cluster, and without one.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process;

use everport::Cluster;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

use crate::service::service;

/// Joins the cluster that started this process, and serves until it is told to leave.
pub(crate) async fn join(address: &str, by_everport: bool) -> Result<(), Box<dyn Error>> {
    in_cluster(&Cluster::join().await?, address, by_everport).await
}

/// Serves as a worker.
pub(crate) async fn in_cluster(
    cluster: &Cluster,
    address: &str,
    by_everport: bool,
) -> Result<(), Box<dyn Error>> {
    let listener = cluster.listen(address).await?;
    let service = service(cluster.id().map_or(0, |id| id.0));
    if by_everport {
        everport::http::serve(cluster, listener, service).await?;
    } else {
        axum::serve(listener, service)
            .with_graceful_shutdown(cluster.terminated())
            .await?;
    }
    cluster.leave().await?;
    Ok(())
}

/// What the same program does without everport: its own port, its own signal.
pub(crate) async fn unmanaged(address: SocketAddr) -> io::Result<()> {
    // A worker has a session of its own, and Linux may share the processors out by session.
    // It fails only when a shell has made us the leader of a group; then nobody compares us.
    rustix::process::setsid().ok();
    let listener = bind(address)?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, service(process::id().into()))
        .with_graceful_shutdown(async move {
            terminate.recv().await;
        })
        .await
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    socket.listen(SAME_BACKLOG)
}

/// What a cluster's ports have unless told otherwise.
const SAME_BACKLOG: u32 = 4096;
