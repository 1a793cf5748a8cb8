//! Serves on port 8080 and panics 1 to 5 seconds after its start: shows what a cluster does with crashes.
//!
//! Run `target/release/failing --workers 4`, or `--threads 4`, and ask it meanwhile: `curl localhost:8080`. The log has
//! each panic with its backtrace, the death that follows, and the successor. The first successor comes at once; a slot that goes on
//! failing waits longer and longer (back-off), and is told of as crash-looping. The others serve what comes meanwhile.

use std::hash::{BuildHasher, RandomState};
use std::process::ExitCode;
use std::time::Duration;

use axum::{Router, routing::get};
use clap::Parser;
use everport::Cluster;
use everport::cli::ServerArgs;
use everport::http::serve;

/// Serves on port 8080 and panics 1 to 5 seconds after its start.
#[derive(Parser)]
struct Options {
    #[command(flatten)]
    server: ServerArgs,
}

fn main() -> ExitCode {
    Options::parse().server.run(fail_soon)
}

async fn fail_soon(cluster: Cluster) -> anyhow::Result<()> {
    everport::logging::init(&cluster)?;
    let time = time_to_live();
    tracing::info!(?time, "this worker has not long to live");
    let listener = cluster.listen("127.0.0.1:8080").await?;
    let app = Router::new().route("/", get("Hello, as long as it lasts!\n"));
    tokio::select! {
        served = serve(&cluster, listener, app) => served?,
        () = tokio::time::sleep(time) => panic!("this worker always ends like this"),
    }
    cluster.leave().await?;
    Ok(())
}

/// Another time for each worker: the standard library seeds its hash maps at random.
fn time_to_live() -> Duration {
    let random = RandomState::new().hash_one("time to live");
    Duration::from_millis(1000 + random % 4000)
}
