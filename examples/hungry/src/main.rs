//! Serves on port 8080 and uses 20 MiB of memory more each second: shows what a limit of memory does.
//!
//! Run `everport run -w 2 --max-memory 64M target/release/hungry`. Workers are measured every 5 seconds. The log tells
//! who uses too much, starts a successor, and lets the old one drain once that is ready: `curl localhost:8080` is
//! answered all the time. Without a limit each worker stops growing at 256 MiB, so that no machine runs out of memory.

use std::time::Duration;

use axum::{Router, routing::get};
use everport::http::serve;

/// How much more there is in each step.
const BITE: usize = 4 << 20;

/// How long it takes to get hungry again.
const PAUSE: Duration = Duration::from_millis(200);

/// How many bites are enough even without a limit.
const MOST: usize = 64;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let cluster = everport::Cluster::join().await?;
    everport::logging::init(&cluster)?;
    let listener = cluster.listen("127.0.0.1:8080").await?;
    let app = Router::new().route("/", get("Hello, I am hungry!\n"));
    tokio::spawn(eat());
    serve(&cluster, listener, app).await?;
    cluster.leave().await?;
    Ok(())
}

async fn eat() {
    let mut eaten = Vec::new();
    while eaten.len() < MOST {
        // Not zeros: memory that was only asked for is not used yet.
        eaten.push(vec![1_u8; BITE]);
        tokio::time::sleep(PAUSE).await;
    }
    let mebibytes = (MOST * BITE) >> 20;
    tracing::info!(mebibytes, "enough was eaten, and nobody minds");
    std::future::pending::<()>().await;
}
