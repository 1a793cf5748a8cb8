//! "Hello, World!" on port 8080: in a cluster, standalone, or with `--workers` as its own watcher.

use std::{future::IntoFuture, process::ExitCode};

use axum::{Router, routing::get};
use clap::Parser;
use everport::cli::{ClusterArgs, Role};

#[derive(Parser)]
struct Options {
    #[command(flatten)]
    cluster: ClusterArgs,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let cluster = match Options::parse().cluster.join().await? {
        Role::Worker(cluster) => cluster,
        Role::Watched(exit_code) => return Ok(exit_code),
    };
    let app = Router::new().route("/", get("Hello, World!"));
    let ipv4 = cluster.listen("0.0.0.0:8080").await?;
    let ipv6 = cluster.listen("[::]:8080").await?;
    let serve = |on| axum::serve(on, app.clone()).with_graceful_shutdown(cluster.terminated());
    tokio::try_join!(serve(ipv4).into_future(), serve(ipv6).into_future())?;
    cluster.leave().await?;
    Ok(ExitCode::SUCCESS)
}
