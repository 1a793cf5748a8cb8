//! An axum server on a Unix socket, to which nginx passes requests: see `nginx.conf` beside this.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::{Router, routing::get};
use everport::{Cluster, ListenOptions};

/// nginx closes connections that it has kept for 4 s (`keepalive_timeout`): before any worker does, so that no request
/// meets a connection that is being closed. On a rollout workers wait for 5 s anyway.
const IDLE_MINIMUM: Duration = Duration::from_secs(5);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1);
    let path = path.as_deref().unwrap_or("/tmp/everport-shop.sock");
    let cluster = Cluster::join().await?;
    // Who may connect is whoever may write to the file: its owner, and its group, to which nginx should belong.
    let options = ListenOptions::new().unix_mode(0o660);
    let listener = cluster.listen_unix_with(path, options).await?;
    let app = Router::new().route("/", get(hello).post(hello));
    let server = everport::http::Server::new(&cluster).idle_minimum_on_stop(IDLE_MINIMUM);
    server.serve(listener, app).await?;
    cluster.leave().await?;
    Ok(())
}

/// A Unix socket tells nothing of the client: nginx does, in a header.
async fn hello(headers: HeaderMap) -> String {
    let client = headers
        .get("x-real-ip")
        .and_then(|value| value.to_str().ok());
    format!("Hello, {}!", client.unwrap_or("World"))
}
