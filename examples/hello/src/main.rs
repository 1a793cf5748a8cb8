//! "Hello, World!" on port 8080: in a cluster, standalone, or with `--workers` or `--threads` as its own watcher.

use std::process::ExitCode;

use axum::http::{Method, StatusCode, Uri};
use axum::{Router, routing::get};
use clap::Parser;
use everport::Cluster;
use everport::cli::ServerArgs;
use everport::http::serve;

/// Says hello to everybody who asks on port 8080.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    server: ServerArgs,
}

fn main() -> ExitCode {
    Options::parse().server.run(say_hello)
}

async fn say_hello(cluster: Cluster) -> anyhow::Result<()> {
    everport::logging::init(&cluster)?;
    let member = cluster.clone();
    let health = async move || match member.is_leaving() {
        true => StatusCode::SERVICE_UNAVAILABLE,
        false => StatusCode::OK,
    };
    let app = Router::new().route("/", get(hello));
    let app = app.route("/healthz", get(health));
    let ipv4 = cluster.listen("0.0.0.0:8080").await?;
    let ipv6 = cluster.listen("[::]:8080").await?;
    tracing::info!(ipv4 = %ipv4.local_addr()?, ipv6 = %ipv6.local_addr()?, "about to say hello");
    tokio::try_join!(
        serve(&cluster, ipv4, app.clone()),
        serve(&cluster, ipv6, app)
    )?;
    cluster.leave().await?;
    Ok(())
}

async fn hello(method: Method, uri: Uri) -> &'static str {
    let _request = tracing::debug_span!("request", %method, path = uri.path()).entered();
    tracing::debug!("saying hello");
    "Hello, World!"
}
