//! The server under test: "Hello, World!" over HTTP, in a cluster or by itself.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use axum::extract::Path;
use axum::{Router, routing::get};
use clap::Parser;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Debug, Parser)]
struct Options {
    /// Joins its cluster and listens there
    #[arg(long, value_name = "ADDR", required_unless_present = "unmanaged")]
    listen: Option<String>,
    /// Binds by itself with `SO_REUSEPORT`, says where, and serves
    #[arg(long, value_name = "ADDR", conflicts_with = "listen")]
    unmanaged: Option<SocketAddr>,
    /// Serves by `everport::http` instead of `axum::serve`
    #[arg(long, requires = "listen")]
    everport_http: bool,
    /// Dies at once as long as this file is there
    #[arg(long, value_name = "FILE", requires = "listen")]
    broken_while: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    if options.broken_while.is_some_and(|file| file.exists()) {
        return Err("this release is broken".into());
    }
    if let Some(address) = options.listen {
        return serve_in_cluster(&address, options.everport_http).await;
    }
    let address = options.unmanaged.ok_or("an address is required")?;
    Ok(serve_unmanaged(address).await?)
}

fn service() -> Router {
    Router::new()
        .route("/", get(GREETING))
        .route("/block/{ms}", get(block))
        .route("/spin/{ms}", get(spin))
}

const GREETING: &str = "Hello, World!";

/// Keeps the only thread waiting, so that nothing else is served meanwhile.
async fn block(Path(milliseconds): Path<u64>) -> &'static str {
    thread::sleep(Duration::from_millis(milliseconds));
    GREETING
}

/// Keeps the only thread, and a core, busy in a loop.
async fn spin(Path(milliseconds): Path<u64>) -> &'static str {
    println!("spinning");
    let end = Instant::now() + Duration::from_millis(milliseconds);
    while Instant::now() < end {
        std::hint::spin_loop();
    }
    GREETING
}

async fn serve_in_cluster(address: &str, by_everport: bool) -> Result<(), Box<dyn Error>> {
    let cluster = everport::Cluster::join().await?;
    let listener = cluster.listen(address).await?;
    if by_everport {
        everport::http::serve(&cluster, listener, service()).await?;
    } else {
        axum::serve(listener, service())
            .with_graceful_shutdown(cluster.terminated())
            .await?;
    }
    cluster.leave().await?;
    Ok(())
}

/// What the same program does without everport: its own port, its own signal.
async fn serve_unmanaged(address: SocketAddr) -> io::Result<()> {
    // A worker has a session of its own, and Linux may share the processors out by session.
    // It fails only when a shell has made us the leader of a group; then nobody compares us.
    rustix::process::setsid().ok();
    let listener = bind(address)?;
    let mut terminate = signal(SignalKind::terminate())?;
    println!("listening on {}", listener.local_addr()?);
    axum::serve(listener, service())
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
