//! Counts its visitors by axum, with state, client addresses and a runtime of several threads: in a cluster or standalone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::routing::get;
use everport::Cluster;
use everport::http::Server;

/// What the handlers of one worker share. Every worker has one of its own.
#[derive(Default)]
struct Counter {
    visits: AtomicU64,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1);
    let cluster = Cluster::join().await?;
    let listener = cluster
        .listen(address.as_deref().unwrap_or("0.0.0.0:8080"))
        .await?;
    println!("listening on {}", listener.local_addr()?);

    let counter = Arc::new(Counter::default());
    let counted = Arc::clone(&counter);
    cluster.on_terminate(async move || {
        println!("counted {} visits", counted.visits.load(Ordering::Relaxed));
    });

    let app = Router::new().route("/", get(visit)).with_state(counter);
    let server = Server::new(&cluster).with_peer();
    server.serve(listener, app).await?;
    cluster.leave().await?;
    Ok(())
}

async fn visit(
    State(counter): State<Arc<Counter>>,
    ConnectInfo(client): ConnectInfo<SocketAddr>,
) -> String {
    let visit = counter.visits.fetch_add(1, Ordering::Relaxed) + 1;
    format!("{client} makes visit {visit}\n")
}
